/** Clients that are cut off at random and resume by position: each publication once, in order. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { defaultHistory } from '../../hub/namespaces.js'
import { ordersToken, publish, range } from './durable-orders.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { PositionKeeper } from './position-keeper.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'
import { TestClient, type ReceivedFrame } from './websocket-client.js'

const channels = ['orders.a', 'orders.b', 'orders.c']
const stepsCount = 150

/** One connection after another, with one position. */
class Resuming {
  readonly keeper: PositionKeeper
  readonly #t: TestContext
  readonly #gateway: TestGateway
  #client: TestClient | undefined = undefined

  constructor(t: TestContext, gateway: TestGateway, name: string) {
    this.#t = t
    this.#gateway = gateway
    this.keeper = new PositionKeeper(name)
  }

  get isConnected(): boolean {
    return this.#client !== undefined
  }

  async connect(): Promise<void> {
    const client = await TestClient.connect(this.#t, this.#gateway.ws, ordersToken)
    client.socket.on('message', (bytes: Buffer) => {
      if (this.#client === client) this.keeper.frame(JSON.parse(bytes.toString()) as ReceivedFrame)
    })
    this.#client = client
    const { name, shown } = this.keeper
    client.send({ type: 'subscribe', id: 1, channel: name, position: shown })
  }

  /** What is on its way is lost. */
  cut(): void {
    this.#client?.socket.terminate()
    this.#client = undefined
  }

  pause(): void {
    this.#client?.socket.pause()
  }

  resume(): void {
    this.#client?.socket.resume()
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

for (const seed of range(1, 9)) {
  test(`resumed at random, seed ${seed} (PROTOCOL 5.10, 14.1, 14.2, 14.3, 14.7)`, async (t) => {
    const random = new SeededRandom(seed)
    const clock = new FakeClock()
    const history = { ...defaultHistory, messagesPerChannel: 10_000 }
    const gateway = await startTestGateway(t, {
      clock,
      random: random.next,
      settings: {
        namespaces: new Map([['orders', { history, patterns: true }]]),
        heartbeatSeconds: 4,
        framesBurstMax: 1e6,
      },
      hubLimits: { ringCountMax: random.pick([3, 100]), lingerMs: random.pick([2_000, 30_000]) },
      durableLimits: { verifyMs: 1_000 },
    })
    const clients = ['orders.a', 'orders.b', 'orders.*'].map(
      (name) => new Resuming(t, gateway, name),
    )
    const published = new Map<string, number>(channels.map((channel) => [channel, 0]))
    // From before the first publication, so that each is due to everybody.
    for (const client of clients) await client.connect()
    await until('all have begun', () => {
      clock.advance(10)
      return clients.every(({ keeper }) => keeper.position !== undefined)
    })
    const steps: readonly (() => void | Promise<void>)[] = [
      () => {
        const channel = random.pick(channels)
        for (let count = random.upTo(30); count >= 0; count -= 1) {
          const number = published.get(channel) ?? 0
          publish(gateway, channel, number)
          published.set(channel, number + 1)
        }
      },
      () => clock.advance(random.upTo(random.pick([10, 200, 2_500]))),
      () => turns(random.upTo(5)),
      () => random.pick(clients).cut(),
      async () => {
        const client = random.pick(clients)
        if (!client.isConnected) await client.connect()
      },
      () => {
        const client = random.pick(clients)
        client.cut()
        client.keeper.forget()
      },
      () => random.pick(clients).pause(),
      () => random.pick(clients).resume(),
    ]
    for (let step = 0; step < stepsCount; step += 1) await random.pick(steps)()
    for (const client of clients) {
      client.resume()
      if (!client.isConnected) await client.connect()
    }
    for (const { keeper } of clients) {
      const names = keeper.name === 'orders.*' ? channels : [keeper.name]
      for (const channel of names) {
        const count = published.get(channel) ?? 0
        await until(`${keeper.name} to have ${channel}`, () => {
          clock.advance(10)
          return (keeper.got.get(channel)?.length ?? 0) >= count
        })
        assert.deepEqual(keeper.got.get(channel) ?? [], range(0, count))
      }
      assert.deepEqual(keeper.gaps, [])
    }
    const { ring, history: read } = gateway.hub.durable.counters.recoveries.recovered
    assert.ok(ring + read > 0, `${ring} from rings, ${read} from the history`)
  })
}
