/** The hub of all tabs at a real node: a channel goes back for a tab that is further back. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Gateway } from '../../client/gateway.js'
import type { Place } from '../../client/progress.js'
import { systemClock } from '../../client/system-clock.js'
import { TabHub } from '../../client/tab-hub.js'
import type { HubMessage, Places } from '../../client/tab-messages.js'
import { nodeTransports } from '../../client/tests/node-transports.js'
import type { Transport } from '../../client/transport.js'
import { startNats } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'
import { mint, serve } from './spawned.js'

const bounded = { timeout: 60_000 }
const claims = [
  ['by name', ['--subscribe', '*']],
  ['by its token', ['--channels', 'news', '--subscribe', '*']],
] as const

/** A node, a publisher, and hubs to which tabs speak. */
async function start(t: TestContext, transport: Transport, grants: readonly string[]) {
  const nats = await startNats(t, { jetStream: true })
  const { url } = await serve(t, { TIDEGATE_NATS_URL: nats.url, TIDEGATE_PROVISION: 'true' })
  const service = await nats.connect()
  const token = await mint(t, ...grants)
  const pace = { clock: systemClock, random: Math.random }
  const open = () => {
    const tabs: FakeTab[] = []
    const hub = new TabHub({
      ...{ clock: systemClock, transports: [transport] },
      openGateway: () => new Gateway(url, () => token, pace, fetch),
      send: (ids, message) => ids.forEach((id) => tabs[Number(id)]?.said.push(message)),
    })
    t.after(() => hub.close())
    const join = (...places: Places): FakeTab => {
      const tab = new FakeTab()
      tabs.push(tab)
      const id = String(tabs.length - 1)
      hub.hear(id, { type: 'join', update: 1, places, name: 'n', url })
      return tab
    }
    return { hub, join }
  }
  const publish = (number: number) => service.request('rt.pub.news', String(number))
  return { open, publish }
}

class FakeTab {
  readonly said: HubMessage[] = []

  get numbers(): readonly unknown[] {
    return this.said.flatMap((message) =>
      message.type === 'event' && message.event.type === 'publication'
        ? [message.event.publication.data]
        : [],
    )
  }

  /** Of `news`, the newest that it was told. */
  get place(): Place | undefined {
    const places = this.said.flatMap((each) => (each.type === 'places' ? each.places : []))
    return places.filter(([name]) => name === 'news').at(-1)?.[1]
  }

  async subscribed(): Promise<void> {
    await until(() =>
      this.said.some((each) => each.type === 'event' && each.event.type === 'subscribed'),
    )
  }
}

for (const transport of nodeTransports) {
  for (const [how, grants] of claims) {
    const name = `what a later tab missed comes at once, subscribed ${how}, by ${transport.name}`
    test(name, bounded, async (t) => {
      const { open, publish } = await start(t, transport, grants)
      const { join } = open()
      const first = join(['news'])
      await first.subscribed()
      await publish(1)
      await until(() => first.numbers.length === 1)
      const early = await until(() => first.place)
      for (const number of [2, 3]) await publish(number)
      await until(() => first.numbers.length === 3)
      // Nothing more is published: it is the history that brings what was missed.
      const later = join(['news', early])
      await until(() => later.numbers.length >= 2)
      await publish(4)
      await until(() => later.numbers.at(-1) === 4 && first.numbers.at(-1) === 4)
      assert.deepEqual(later.numbers.slice(-3), [2, 3, 4])
    })
  }
}

for (const transport of nodeTransports) {
  const name = `so it does where only the token had wanted the channel, by ${transport.name}`
  test(name, bounded, async (t) => {
    const { open, publish } = await start(t, transport, claims[1][1])
    const before = open()
    const first = before.join(['news'])
    await first.subscribed()
    await publish(1)
    await until(() => first.numbers.length === 1)
    const early = await until(() => first.place)
    before.hub.close()
    for (const number of [2, 3]) await publish(number)
    const { join } = open()
    const other = join(['sport'])
    await other.subscribed()
    const later = join(['news', early])
    await until(() => later.numbers.length >= 2)
    assert.deepEqual(later.numbers.slice(-2), [2, 3])
    assert.deepEqual(other.numbers, [])
  })
}
