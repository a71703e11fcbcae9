/** Ports: taken by one process at a time, with a sentence for the other, and free again at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextEvent, openStream } from '../../gateway/tests/http-client.js'
import { mint, testSecret } from '../../gateway/tests/tokens.js'
import { TestClient } from '../../gateway/tests/websocket-client.js'
import { freePort } from './free-port.js'
import { limit, startNode } from './processes.js'
import { tidegate } from './spawned.js'

const token = mint({ subscribe: ['news'] })

for (const name of ['TIDEGATE_PORT', 'TIDEGATE_ADMIN_PORT'] as const) {
  test(`${name} in use: the second node says so and ends with 1`, limit, async (t) => {
    const node = await startNode(t)
    const port = name === 'TIDEGATE_PORT' ? node.port : Number(new URL(node.admin).port)
    const second = tidegate(t, ['serve'], {
      TIDEGATE_HOST: '127.0.0.1',
      TIDEGATE_PORT: '0',
      TIDEGATE_ADMIN_PORT: '0',
      TIDEGATE_JWT_SECRET: testSecret,
      [name]: String(port),
    })
    assert.equal(await second.exit(), 1)
    const last = second.logLines().at(-1)
    assert.equal(last?.['event'], 'start_failed')
    const [fault, ...others] = last['faults'] as string[]
    assert.match(
      fault ?? '',
      new RegExp(`^Cannot listen on 127\\.0\\.0\\.1:${port}\\b.*in use.*\\.$`, 'i'),
    )
    assert.deepEqual(others, [])
    assert.equal(second.stderr, '')
    assert.equal((await node.health('ready'))[0], 200)
    assert.equal((await fetch(`${node.http}/nothing`)).status, 404)
  })
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`after ${signal} under connections a node starts on its port at once`, limit, async (t) => {
    const env = { TIDEGATE_PORT: String(await freePort()) }
    const node = await startNode(t, env)
    const socket = await TestClient.connect(t, node.ws, token)
    const headers = { authorization: `Bearer ${token}` }
    const events = `${node.http}/v1/events?channels=news`
    const stream = await openStream(t, events, headers)
    await nextEvent(stream.events)
    await (await fetch(`${events}&wait=0`, { headers })).text()
    const code = signal === 'SIGTERM' ? 4001 : 1006
    await node.end(signal)
    assert.equal((await socket.closed).code, code)
    const again = await startNode(t, env)
    assert.equal(again.port, node.port)
    await TestClient.connect(t, again.ws, token)
  })
}
