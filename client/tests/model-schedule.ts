/** Schedules of what happens in a model world: drawn by chance, and made smaller when they fail. */
import fc from 'fast-check'
import { SeededRandom } from '../../shared/tests/seeded-random.js'
import type { Odds } from './model-chance.js'
import type { Barrier } from './model-gateway.js'
import type { HolderKind } from './model-holder.js'
import { World, type Way } from './model-world.js'

export const channels: readonly string[] = ['orders.a', 'orders.b', 'docs.a', 'chat.a', 'chat.b']
const names = [...channels, 'orders.*', 'chat.*']
const kinds: readonly HolderKind[] = ['listener', 'listener', 'drop', 'latest', 'pause']

export type Action =
  | { readonly do: 'take'; readonly name: string; readonly kind: HolderKind }
  | { readonly do: 'release' | 'read'; readonly which: number }
  | {
      readonly do: 'publish'
      readonly channel: string
      readonly count: number
      readonly hole: number
    }
  | { readonly do: 'end' | 'leak'; readonly channel: string }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'kill' | 'restart' | 'blind' | 'see' | 'drain' | 'move'; readonly node: number }
  | { readonly do: 'anew'; readonly namespace: string }
  | { readonly do: 'upgrade' | 'offline' | 'online' | 'unblock' }
  | { readonly do: 'block'; readonly way: 'websocket' | 'event-stream'; readonly barrier: Barrier }
  | { readonly do: 'renew'; readonly isInPeace: boolean }

export interface Schedule {
  readonly seed: number
  readonly odds: Odds
  readonly ways: readonly Way[]
  readonly last: number | undefined
  readonly claims: readonly string[]
  readonly tokenMs: number
  readonly actions: readonly Action[]
}

function is<Do extends Action['do']>(name: Do): fc.Arbitrary<Do> {
  return fc.constant(name)
}

const node = fc.integer({ min: 0, max: 1 })
const which = fc.integer({ min: 0, max: 9 })
const channel = fc.constantFrom(...channels)
const ms = fc.constantFrom(0, 10, 50, 300, 1_000, 3_000, 10_000, 40_000)

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: is('take'),
      name: fc.constantFrom(...names),
      kind: fc.constantFrom(...kinds),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: is('release'), which }) },
  { weight: 3, arbitrary: fc.record({ do: is('read'), which }) },
  {
    weight: 14,
    arbitrary: fc.record({
      do: is('publish'),
      channel,
      count: fc.integer({ min: 1, max: 5 }),
      hole: fc.integer({ min: 0, max: 2 }),
    }),
  },
  { weight: 14, arbitrary: fc.record({ do: is('pass'), ms }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['kill', 'restart', 'blind', 'see', 'drain', 'drain', 'move'] as const),
      ),
      node,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('end' as const, 'leak'), channel }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: is('anew'), namespace: fc.constantFrom('orders', 'docs') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['upgrade', 'offline', 'online', 'online', 'unblock', 'unblock'] as const),
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: is('block'),
      way: fc.constantFrom('websocket' as const, 'event-stream'),
      barrier: fc.constantFrom('refuses' as const, 'swallows'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: is('renew'), isInPeace: fc.boolean() }) },
)

const rarely = (max: number): fc.Arbitrary<number> => fc.constantFrom(0, 0, max / 4, max)

export const schedule: fc.Arbitrary<Schedule> = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  odds: fc.record({
    cut: rarely(0.1),
    silence: rarely(0.02),
    late: rarely(0.3),
    twice: rarely(0.2),
    refusal: rarely(0.2),
    noToken: rarely(0.2),
    wander: rarely(0.5),
  }),
  ways: fc.constantFrom<readonly Way[]>(
    ['websocket', 'event-stream', 'long-poll'],
    ['websocket', 'event-stream', 'long-poll'],
    ['websocket'],
    ['event-stream', 'long-poll'],
    ['long-poll'],
    ['short-poll'],
  ),
  last: fc.constantFrom(undefined, undefined, 2),
  claims: fc.constantFrom<readonly string[]>([], [], ['orders.a'], ['chat.a', 'docs.a']),
  tokenMs: fc.constantFrom(15_000, 60_000, 600_000),
  actions: fc.array(action, { maxLength: 60, size: 'max' }),
})

/** What was wrong; empty if nothing was. */
export async function run(schedule: Schedule): Promise<readonly string[]> {
  const { seed, actions, ...options } = schedule
  const world = new World({ ...options, random: new SeededRandom(seed).next })
  for (const each of actions) {
    await act(world, each)
    await world.pass(0)
    if (world.faults.length > 0) break
  }
  await world.heal(channels)
  await world.close(channels)
  return world.faults
}

async function act(world: World, action: Action): Promise<void> {
  const { gateway, held } = world
  switch (action.do) {
    case 'take':
      return world.take(action.name, action.kind)
    case 'release':
      return held[action.which % held.length]?.release()
    case 'read':
      return held[action.which % held.length]?.permit(2)
    case 'publish':
      for (let count = 0; count < action.count; count += 1) {
        world.publish(action.channel, action.hole)
      }
      return
    case 'end':
      return world.publish(action.channel, 0, true)
    case 'leak':
      // The chain between the one before it and the one after it shows it.
      world.publish(action.channel)
      gateway.leak(action.channel)
      world.publish(action.channel)
      return world.publish(action.channel)
    case 'pass':
      return world.pass(action.ms)
    case 'anew':
      return world.renewHistory(action.namespace)
    case 'upgrade':
      gateway.state.cursorVersion += 1
      return
    case 'offline':
    case 'online':
      gateway.isOffline = action.do === 'offline'
      return
    case 'block':
      return void gateway.barriers.set(action.way, action.barrier)
    case 'unblock':
      return gateway.barriers.clear()
    case 'renew':
      return world.renewClient(action.isInPeace)
    case 'kill':
    case 'restart':
    case 'blind':
    case 'see':
    case 'drain':
    case 'move':
      return harm(world, action.do, action.node)
  }
}

function harm(world: World, what: string, index: number): void {
  const node = world.gateway.nodes[index]
  if (node === undefined) return
  if (what === 'kill') node.kill()
  if (what === 'restart') node.restart()
  if (what === 'blind') node.isBlind = true
  if (what === 'see') node.see()
  if (what === 'drain') node.drain(3_000, 5_000)
  if (what === 'move') for (const each of node.connections) each.reconnect(1_000)
}
