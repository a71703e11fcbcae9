/** What a welcome says of the node, to WebSockets and to event streams alike. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultHistory, type Namespace } from '../../hub/namespaces.js'
import { TestStream } from './event-stream-client.js'
import { startTestGateway } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const token = mint({ subscribe: ['>'] })

function keptFor(maxAgeSeconds: number): Namespace {
  return { history: { ...defaultHistory, maxAgeSeconds }, patterns: false }
}

const ephemeral: Namespace = { history: undefined, patterns: false }

for (const [what, namespaces, expected] of [
  ['two minutes', [ephemeral, keptFor(3_600), keptFor(120)], 120],
  ['the least age that is kept', [keptFor(3_600), keptFor(7), ephemeral, keptFor(60)], 7],
  ['nothing', [ephemeral, ephemeral], undefined],
] as const) {
  test(`a welcome tells of ${what} to send again (PROTOCOL 4.7, 4.20, 6.2)`, async (t) => {
    const named = namespaces.map((each, at) => [at === 0 ? 'default' : `n${at}`, each] as const)
    const { ws, http } = await startTestGateway(t, { settings: { namespaces: new Map(named) } })
    const welcomes: unknown[] = []
    for (const { subprotocol } of testFormats) {
      const { frames } = await TestClient.connect(t, ws, token, subprotocol)
      welcomes.push(frames[0])
    }
    const channels = 'n1.a'
    const streams = [
      await TestStream.open(t, http, { channels, token }),
      await TestStream.post(t, http, token, { channels: [channels] }),
    ]
    for (const stream of streams) welcomes.push(JSON.parse((await stream.next('welcome')).data))
    for (const welcome of welcomes as Record<string, unknown>[]) {
      assert.equal(welcome['duplicateWindowSeconds'], expected)
      assert.equal('duplicateWindowSeconds' in welcome, expected !== undefined)
    }
  })
}
