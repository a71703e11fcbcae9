/** The installed package on Node, and on Deno and Bun where they are on the PATH. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { mint, serve, Spawned } from '../../build/cli/tests/spawned.js'
import { installClient } from '../pack-client.mjs'
import { findProgram } from '../programs.mjs'
import { root } from '../steps.mjs'

const publications = 60

/** Hears all that is published, by one transport, and prints the numbers. */
const application = `
import { EventStreamTransport, LongPollTransport, Tidegate, WebSocketTransport }
  from '@tidegate/client'

const [url, token, name] = globalThis.Deno?.args ?? process.argv.slice(2)
const { WebSocket } = 'WebSocket' in globalThis ? globalThis : await import('ws')
const transports = {
  websocket: () => new WebSocketTransport((...opens) => new WebSocket(...opens)),
  'event-stream': () => new EventStreamTransport(),
  'long-poll': () => new LongPollTransport(),
}
const tidegate = new Tidegate(url, { token: () => token, transports: [transports[name]()] })
const orders = tidegate.channel('orders.1')
orders.on('gap', (gap) => console.log(JSON.stringify(gap)))
orders.on('subscribed', () => console.log('subscribed'))
for await (const { data } of orders) {
  console.log('got ' + data)
  if (data === ${publications - 1}) break
}
tidegate.close()
`

const runtimes = [
  { name: 'Node', program: process.execPath, flags: [] },
  { name: 'Deno', program: findProgram('deno'), flags: ['run', '--allow-net'] },
  { name: 'Bun', program: findProgram('bun'), flags: ['run'] },
]

let folder

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-runtimes-'))
  installClient(folder)
  symlinkSync(join(root, 'node_modules/ws'), join(folder, 'node_modules/ws'))
  const dependencies = { '@tidegate/client': '*' }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', dependencies }))
  writeFileSync(join(folder, 'application.js'), application)
})

after(() => rmSync(folder, { recursive: true, force: true }))

/** A way to the port that can be cut: who is connected is not any more. */
async function openWay(t, port) {
  const sockets = new Set()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        near.destroy()
        far.destroy()
        sockets.delete(socket)
      })
    }
    near.pipe(far).pipe(near)
  })
  const cut = () => sockets.forEach((socket) => socket.destroy())
  t.after(() => {
    server.close()
    cut()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { url: `http://127.0.0.1:${server.address().port}`, cut }
}

async function publish(url, token, data) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ channel: 'orders.1', data })
  const response = await fetch(`${url}/v1/publish`, { method: 'POST', headers, body })
  assert.equal(response.status, 200, await response.text())
}

for (const { name, program, flags } of runtimes) {
  for (const transport of ['websocket', 'event-stream', 'long-poll']) {
    const skip = program === undefined && `${name} is not on the PATH`
    test(`on ${name}, nothing is lost by ${transport} when the way is cut`, { skip }, async (t) => {
      const { port, url } = await serve(t, { TIDEGATE_NAMESPACES: '{"orders":{}}' })
      const token = await mint(t, '--subscribe', 'orders.*', '--publish', 'orders.*')
      const way = await openWay(t, port)
      const args = [...flags, 'application.js', way.url, token, transport]
      const child = spawn(program, args, { cwd: folder })
      const running = new Spawned(child)
      t.after(() => child.kill('SIGKILL'))
      await running.until('it listens', ({ stdout }) => stdout.includes('subscribed'))
      for (let number = 0; number < publications; number += 1) {
        await publish(url, token, number)
        if (number % 25 === 10) way.cut()
      }
      assert.equal(await running.exit(), 0, running.stderr)
      const lines = running.stdout.split('\n').filter((line) => !/^(?:subscribed)?$/.test(line))
      assert.deepEqual(
        lines,
        Array.from({ length: publications }, (_, number) => `got ${number}`),
      )
    })
  }
}
