/** The worker of all tabs, its ports played: one hub a name, tokens by the tabs that are there. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { SharedConnection } from '../shared-connection.js'
import { serveTabs, type WorkerScope } from '../tabs-worker.js'
import type { Refusal, TidegateError } from '../tidegate-error.js'
import { Tidegate } from '../tidegate.js'
import type { Connection, ConnectionEvent, ConnectionRequest, Transport } from '../transport.js'
import { WorkerLine, type WorkerPort } from '../worker-line.js'
import { until } from './until.js'

/** A transport that shows the gateway's token, and counts who holds it open. */
class CountingTransport implements Transport {
  readonly name = 'websocket'
  readonly held: Set<ConnectionRequest> = new Set()
  readonly tokens: string[] = []

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    this.held.add(request)
    request.gateway.credentials.token().then(
      (token) => {
        this.tokens.push(token)
        onEvent({ type: 'welcome' })
        for (const channel of request.channels) onEvent({ type: 'subscribed', channel })
      },
      (error: TidegateError) => onEvent({ ...refusalOf(error), type: 'closed' }),
    )
    return {
      update: () => true,
      check: () => undefined,
      close: () => this.held.delete(request),
    }
  }
}

function refusalOf({ code, message, retryable }: TidegateError): Refusal {
  return { code, message, retryable }
}

function start(t: TestContext) {
  const transport = new CountingTransport()
  const ports: MessagePort[] = []
  let connect: Parameters<WorkerScope['addEventListener']>[1] = () => undefined
  const scope: WorkerScope = { addEventListener: (_type, listener) => (connect = listener) }
  serveTabs({ transports: [transport], scope })
  const open = (name: string, token: () => string): Tidegate => {
    const tab: Transport = {
      name: 'websocket',
      open: (request, onEvent) =>
        new SharedConnection(request, onEvent, {
          name,
          openLine: (listener) => {
            const { port1, port2 } = new MessageChannel()
            ports.push(port1 as unknown as MessagePort)
            connect({ ports: [port2 as unknown as WorkerPort] })
            const port = port1 as unknown as WorkerPort
            return new WorkerLine({ port, addEventListener: () => undefined }, listener)
          },
          onTransport: () => undefined,
        }),
    }
    const tidegate = new Tidegate('http://gateway', { token, transports: [tab] })
    tidegate.channel('news')
    t.after(() => tidegate.close())
    return tidegate
  }
  return { transport, open, ports }
}

test('tabs of one name share a connection, of another name have another', async (t) => {
  const { transport, open } = start(t)
  const tabs = [open('ann', () => 'of-ann'), open('ann', () => 'of-ann'), open('bob', () => 'b')]
  await until(() => tabs.every(({ state }) => state.type === 'connected'))
  assert.equal(transport.held.size, 2)
  assert.deepEqual(transport.tokens.sort(), ['b', 'of-ann'])
  for (const tab of tabs) tab.close()
  await until(() => transport.held.size === 0)
})

test('a tab whose provider fails is passed over for one that has a token', async (t) => {
  const { transport, open } = start(t)
  const fail = (): string => {
    throw new Error('logged out')
  }
  const tabs = [open('ann', fail), open('ann', () => 'good'), open('ann', fail)]
  await until(() => tabs.every(({ state }) => state.type === 'connected'))
  assert.deepEqual(transport.tokens, ['good'])
})

test('a worker that ends is noticed at once where the platform says so', async (t) => {
  const { open, ports } = start(t)
  const tab = open('ann', () => 'a')
  await until(() => tab.state.type === 'connected')
  const [port] = ports
  port?.close()
  await once(port as unknown as NodeJS.EventEmitter, 'close')
  await until(() => tab.state.type === 'waiting')
  await until(() => tab.state.type === 'connected')
})
