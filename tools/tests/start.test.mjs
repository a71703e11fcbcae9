/** `npm start`: what it prints works as it stands, and Ctrl-C leaves nothing behind. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startNats, withJetStream } from './nats-server.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A program whose output is awaited by what it says; it and what it started end with the test. */
function start(t, program, args, env = {}) {
  // A group of its own, as a terminal makes one: Ctrl-C reaches all of it.
  const child = spawn(program, args, {
    cwd: root,
    detached: true,
    stdio: 'pipe',
    env: { ...process.env, ...env },
  })
  let output = ''
  const waiting = new Set()
  const hear = (chunk) => {
    output += chunk
    for (const check of waiting) check()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const exit = once(child, 'close').then(([code]) => code)
  t.after(async () => {
    signal(child, 'SIGKILL')
    await exit
  })
  /** Resolves with the match as soon as it is in the output. */
  const says = (form) =>
    new Promise((resolve, reject) => {
      const check = () => {
        const match = form.exec(output)
        if (match) resolve(match)
      }
      waiting.add(check)
      check()
      exit.then(() => reject(new Error(`It ended without saying ${form}:\n${output}`)), reject)
    })
  return { child, exit, says, said: () => output, interrupt: () => signal(child, 'SIGINT') }
}

/** To the whole group; it may have ended. */
function signal(child, name) {
  try {
    process.kill(-child.pid, name)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** A node that does not end would otherwise keep its test waiting. */
const limit = { timeout: 60_000 }

function startNode(t, ...args) {
  return start(t, process.execPath, ['tools/start.mjs', '--port', '0', ...args])
}

test(
  'npm start prints lines for SSE, long-poll and publish that work as they stand',
  limit,
  async (t) => {
    const node = startNode(t)
    await node.says(/Ctrl-C ends it/)
    const [, address] = await node.says(/(http:\/\/127\.0\.0\.1:\d+)\/\n/)
    const [, sse] = await node.says(/by SSE:\n +(curl .*)\n/)
    const [, poll] = await node.says(/By long-poll.*:\n +(curl .*)\n/)
    const [, publish] = await node.says(/Publish:\n +(curl .*)\n/)

    const stream = start(t, 'bash', ['-c', sse])
    await stream.says(/event: welcome/)
    assert.equal(await start(t, 'bash', ['-c', publish]).exit, 0)
    await stream.says(/"channel":"hello".*"sender":"developer","data":\{"text":"hi"\}/)
    await stream.says(/"channel":"stocks\.AAPL"/)
    // It is answered by what is published while it waits, which cannot be seen from here.
    const waiting = start(t, 'bash', ['-c', poll])
    let isAnswered = false
    const answered = waiting.says(/"publications":\[\{"channel":"hello".*\}\n$/)
    void answered.then(() => (isAnswered = true))
    while (!isAnswered) assert.equal(await start(t, 'bash', ['-c', publish]).exit, 0)
    await answered
    assert.match(await (await fetch(address)).text(), /<html/)

    node.interrupt()
    assert.equal(await node.exit, 0)
    assert.equal(await stream.exit, 0, 'the stream was ended, not cut off')
  },
)

test('npm start says in a sentence that its port is taken', limit, async (t) => {
  const node = startNode(t)
  const [, port] = await node.says(/http:\/\/127\.0\.0\.1:(\d+)\/\n/)
  const second = start(t, process.execPath, ['tools/start.mjs', '--port', port])
  await second.says(/Cannot listen on 127\.0\.0\.1:\d+: .*\nTry another one: npm start -- --port/)
  assert.equal(await second.exit, 1)
})

test(
  'npm start over NATS runs a service as a process of its own, and ends it',
  limit,
  async (t) => {
    const node = startNode(t, '--nats', `nats://${await startNats(t, withJetStream(t))}`)
    await hearsPrices(t, node)
    // To the first of the group only: the service must be ended by it.
    node.child.kill('SIGTERM')
    // The output closes when all who hold it have ended.
    assert.equal(await node.exit, 0)
    assert.throws(() => process.kill(-node.child.pid, 0), { code: 'ESRCH' })
  },
)

/** By the line that it prints for SSE. */
async function hearsPrices(t, node) {
  const [, sse] = await node.says(/by SSE:\n +(curl .*)\n/)
  await start(t, 'bash', ['-c', sse]).says(/"channel":"stocks\.AAPL"/)
}

test('the service of npm start ends even when npm start is killed', limit, async (t) => {
  const node = startNode(t, '--nats', `nats://${await startNats(t, withJetStream(t))}`)
  await hearsPrices(t, node)
  node.child.kill('SIGKILL')
  // The service holds the standard error, which closes with it.
  await node.exit
})

test('npm start and its service log in at NATS, and print no password', limit, async (t) => {
  const address = await startNats(t, [...withJetStream(t), '--user', 'me', '--pass', 'hush-hush'])
  const url = `nats://me:hush-hush@${address}`
  const byAddress = startNode(t, '--nats', url)
  await hearsPrices(t, byAddress)
  assert.match(byAddress.said(), /NATS at nats:\/\/\*\*\*@/)
  assert.doesNotMatch(byAddress.said(), /hush/)
  const byVariables = start(t, process.execPath, ['tools/start.mjs', '--port', '0'], {
    TIDEGATE_NATS_URL: `nats://${address}`,
    TIDEGATE_NATS_USER: 'me',
    TIDEGATE_NATS_PASSWORD: 'hush-hush',
  })
  await hearsPrices(t, byVariables)
})

test('npm start keeps to the settings of the environment and of a file', limit, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'tidegate.json')
  writeFileSync(file, '{"TIDEGATE_JWT_ISSUER":"https://issuer.example","TIDEGATE_PORT":0}')
  const node = start(t, process.execPath, ['tools/start.mjs'], {
    TIDEGATE_CONFIG: file,
    TIDEGATE_JWT_AUDIENCE: 'tidegate',
    TIDEGATE_TOKEN_LIFETIME_SECONDS_MAX: '600',
    TIDEGATE_SUBJECT_PREFIX: 'foo',
    TIDEGATE_PORT: '',
  })
  await hearsPrices(t, node)
  await node.says(/A token for 600 seconds/)
  const [, port] = await node.says(/http:\/\/127\.0\.0\.1:(\d+)\/\n/)
  assert.notEqual(port, '8080')
})
