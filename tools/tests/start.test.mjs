/** `npm start`: what it prints works as it stands, and Ctrl-C leaves nothing behind. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startNats } from './nats-server.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A program whose output is awaited by what it says; it and what it started end with the test. */
function start(t, program, args) {
  // A group of its own, as a terminal makes one: Ctrl-C reaches all of it.
  const child = spawn(program, args, { cwd: root, detached: true, stdio: 'pipe' })
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
  return { child, exit, says, interrupt: () => signal(child, 'SIGINT') }
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
    const [, poll] = await node.says(/By long-poll:\n +(curl .*)\n/)
    const [, publish] = await node.says(/Publish:\n +(curl .*)\n/)

    const stream = start(t, 'bash', ['-c', sse])
    await stream.says(/event: welcome/)
    assert.equal(await start(t, 'bash', ['-c', publish]).exit, 0)
    await stream.says(/"channel":"hello".*"sender":"developer","data":\{"text":"hi"\}/)
    await stream.says(/"channel":"stocks\.AAPL"/)
    await start(t, 'bash', ['-c', poll]).says(/"publications":\[\{"channel":"stocks\.AAPL"/)
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
    const node = startNode(t, '--nats', `nats://${await startNats(t)}`)
    const [, poll] = await node.says(/By long-poll:\n +(curl .*)\n/)
    await start(t, 'bash', ['-c', poll]).says(/"publications":\[\{"channel":"stocks\.AAPL"/)
    // To the first of the group only: the service must be ended by it.
    node.child.kill('SIGTERM')
    // The output closes when all who hold it have ended.
    assert.equal(await node.exit, 0)
    assert.throws(() => process.kill(-node.child.pid, 0), { code: 'ESRCH' })
  },
)
