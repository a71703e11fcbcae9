/** The hub of all tabs at a real node: a channel goes back for a tab that is further back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gateway } from '../../client/gateway.js'
import { systemClock } from '../../client/system-clock.js'
import { TabHub } from '../../client/tab-hub.js'
import type { HubMessage, Places } from '../../client/tab-messages.js'
import { nodeTransports } from '../../client/tests/node-transports.js'
import { startNats } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'
import { mint, serve } from './spawned.js'

const bounded = { timeout: 60_000 }
const claims = [
  ['by name', ['--subscribe', '*']],
  ['by its token', ['--channels', 'news', '--subscribe', '*']],
] as const

for (const transport of nodeTransports) {
  for (const [how, grants] of claims) {
    const name = `what a later tab has missed comes at once, subscribed ${how}, by ${transport.name}`
    test(name, bounded, async (t) => {
      const nats = await startNats(t, { jetStream: true })
      const { url } = await serve(t, { TIDEGATE_NATS_URL: nats.url, TIDEGATE_PROVISION: 'true' })
      const service = await nats.connect()
      const token = await mint(t, ...grants)
      const pace = { clock: systemClock, random: Math.random }
      const said = new Map<string, HubMessage[]>([
        ['a', []],
        ['b', []],
      ])
      const hub = new TabHub({
        ...{ clock: systemClock, transports: [transport] },
        openGateway: () => new Gateway(url, () => token, pace, fetch),
        send: (tabs, message) => tabs.forEach((tab) => said.get(tab)?.push(message)),
      })
      t.after(() => hub.close())
      const join = (tab: string, places: Places): void =>
        hub.hear(tab, { type: 'join', update: 1, places, name: 'n', url })
      const events = (tab: string) =>
        (said.get(tab) ?? []).flatMap((message) =>
          message.type === 'event' ? [message.event] : [],
        )
      const numbers = (tab: string): readonly unknown[] =>
        events(tab).flatMap((event) =>
          event.type === 'publication' ? [event.publication.data] : [],
        )
      const placeOf = (tab: string) =>
        (said.get(tab) ?? []).flatMap((each) => (each.type === 'places' ? each.places : [])).at(-1)
      const publish = (number: number) => service.request('rt.pub.news', String(number))

      join('a', [['news']])
      await until(() => events('a').some(({ type }) => type === 'subscribed'))
      await publish(1)
      await until(() => numbers('a').length === 1)
      const early = await until(() => placeOf('a'))
      await publish(2)
      await publish(3)
      await until(() => numbers('a').length === 3)
      // Nothing more is published: it is the history that brings what was missed.
      join('b', [early])
      await until(() => numbers('b').length >= 2)
      await publish(4)
      await until(() => numbers('b').at(-1) === 4 && numbers('a').at(-1) === 4)
      const last = numbers('b').slice(-3)
      assert.deepEqual(last, [2, 3, 4])
    })
  }
}
