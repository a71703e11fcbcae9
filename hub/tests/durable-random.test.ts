/** Durable channels under chance: everything arrives once and in order, or is named by a gap. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { covers } from '../../shared/pattern.js'
import type { Gap } from '../gap.js'
import { Client, numberOf } from './durable-client.js'
import { World, type Fate, type WorldNode, type WorldOptions } from './durable-world.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'

const channels = ['orders.a', 'orders.b', 'orders.c', 'orders.quiet']
const names = [...channels, 'orders.a', 'orders.*']
const rounds = 60

interface Odds {
  /** Of a live publication on its way to one node. */
  readonly lost: number
  readonly twice: number
  readonly late: number
  /** Of each round. */
  readonly cut: number
  readonly away: number
  readonly renewed: number
  readonly rewound: number
}

const wire = { lost: 0.2, twice: 0.1, late: 0.15 }
const harsh: Odds = { ...wire, cut: 0.15, away: 0.1, renewed: 0, rewound: 0 }

/** One client's way through the world: where it began, and what it was given. */
class Witness {
  readonly client: Client
  /** The offset after which it is owed everything; undefined: it has never been connected. */
  from: number | undefined = undefined
  /** Of the history at that time. */
  generation = 0
  /** Rewinds that it had nothing to show for: what came up to this offset since may be missing. */
  readonly #blindTo: { readonly generation: number; readonly offset: number }[] = []

  constructor(client: Client) {
    this.client = client
  }

  async connect(world: World, node: WorldNode): Promise<void> {
    const { generation } = world
    const begun = await this.client.connect(node)
    if (!begun.ok || !begun.isDurable || this.from !== undefined) return
    this.from = begun.position.offset
    this.generation = generation
  }

  /** Who is connected is told by its node; a position without a publication shows nothing. */
  rewindsTo(last: number, { generation }: World): void {
    const { isConnected, position } = this.client
    if (isConnected || position === undefined || position.time !== undefined) return
    if (position.offset > last) this.#blindTo.push({ generation, offset: position.offset })
  }

  check(world: World): void {
    const { name, heard, gaps } = this.client
    const isPattern = name.includes('*')
    const numbers = new Set<number>()
    const ofEpoch = new Set<number>()
    const last = new Map<string, number>()
    for (const one of heard) {
      // What came before the node knew better comes again with all of the new history.
      if ('reason' in one && one.reason === 'new_epoch')
        for (const kept of [ofEpoch, last]) kept.clear()
      if (!('payload' in one)) continue
      const number = numberOf(one)
      // What was delivered beyond a pattern's verified offset may come again: the client drops what
      // is not newer than the newest of its channel.
      if (isPattern && number <= (last.get(one.channel) ?? -1)) continue
      assert.ok(!ofEpoch.has(number), `${name}: ${number} came twice`)
      assert.ok(number > (last.get(one.channel) ?? -1), `${name}: ${number} came too late`)
      numbers.add(number)
      ofEpoch.add(number)
      last.set(one.channel, number)
    }
    const newest = gaps.findLastIndex(({ reason }) => reason === 'new_epoch')
    for (const { channel, number, offset, generation } of world.stored) {
      if (this.from === undefined || !covers(name, channel)) continue
      if (world.rewound.has(number) || generation < this.generation) continue
      if (generation === this.generation && offset <= this.from) continue
      const isBlind = this.#blindTo.some((to) => generation >= to.generation && offset <= to.offset)
      if (isBlind) continue
      // A new epoch says that what was not received of the ones before is lost; and all that is
      // kept comes after it.
      const isKept = generation >= world.madeAnew
      const said = isKept ? gaps.slice(newest + 1) : gaps
      const isCovered = said.some((gap) => isWithin(gap, offset)) || (!isKept && newest >= 0)
      const isGiven = (isKept ? ofEpoch : numbers).has(number)
      assert.ok(isGiven || isCovered, `${name}: ${number} at ${offset} is missing`)
    }
  }
}

function isWithin({ after, before }: Gap, offset: number): boolean {
  return after !== undefined && before !== undefined && after < offset && offset < before
}

class Story {
  readonly #random: SeededRandom
  readonly #odds: Odds
  readonly #lagMax: number
  isHealed = false

  constructor(seed: number, odds: Odds, lagMax: number) {
    this.#random = new SeededRandom(seed)
    this.#odds = odds
    this.#lagMax = lagMax
  }

  readonly wire = (): Fate => {
    const chance = this.isHealed ? 1 : this.#random.next()
    const { lost, twice, late } = this.#odds
    if (chance < lost) return 'lost'
    if (chance < lost + twice) return 'twice'
    return chance < lost + twice + late ? 'late' : 'arrives'
  }

  readonly lag = (): number =>
    this.isHealed || this.#random.next() < 0.7 ? 0 : this.#random.upTo(this.#lagMax)

  async run(t: TestContext, options: WorldOptions): Promise<readonly Witness[]> {
    const world = await World.open(t, { ...options, wire: this.wire, lag: this.lag })
    const nodes = [await world.node(), await world.node()]
    const witnesses = names.map((name) => new Witness(new Client(world, name)))
    for (let round = 0; round < rounds; round += 1) await this.#round(world, nodes, witnesses)
    this.isHealed = true
    world.history.switchTo(true)
    for (const node of nodes) node.join()
    await world.settle(2_000)
    for (const witness of witnesses) {
      witness.client.canTake = true
      await witness.connect(world, this.#random.pick(nodes))
    }
    await world.settle(3_000)
    for (const channel of channels) await world.publish(channel)
    await world.settle(500)
    for (const witness of witnesses) witness.check(world)
    return witnesses
  }

  async #round(
    world: World,
    nodes: readonly WorldNode[],
    witnesses: readonly Witness[],
  ): Promise<void> {
    const random = this.#random
    const node = random.pick(nodes)
    const isCut = random.next() < this.#odds.cut
    if (isCut) node.cut()
    const isAway = random.next() < this.#odds.away
    if (isAway) world.history.switchTo(false)
    for (const witness of witnesses) {
      const chance = random.next()
      if (chance < 0.15) witness.client.disconnect()
      else if (chance < 0.35) await witness.connect(world, random.pick(nodes))
      else if (chance < 0.45) witness.client.canTake = false
      else if (chance < 0.6) witness.client.take()
      else witness.client.hearVerified()
    }
    if (isAway && random.next() < 0.3) {
      // Until recoveries fail, and whoever is slow asks for more all the same.
      await world.settle(1_000)
      for (const { client } of witnesses) if (client.canTake) client.take()
    }
    if (isAway) world.history.switchTo(true)
    if (random.next() < this.#odds.renewed) {
      world.renew()
      await world.settle(50)
    }
    if (!isCut && random.next() < this.#odds.rewound) await this.#rewind(world, witnesses)
    for (let left = random.upTo(6); left > 0; left -= 1) {
      // The last of them is quiet.
      await world.publish(channels[random.upTo(channels.length - 2)] as string)
      if (random.next() < 0.3) await world.settle(random.upTo(40))
    }
    await world.settle(random.next() < 0.1 ? 3_000 : random.upTo(100))
    if (isCut) node.join()
  }

  /** A server that is restored ends its connections: what was under way comes before that. */
  async #rewind(world: World, witnesses: readonly Witness[]): Promise<void> {
    await world.settle(50)
    const state = await world.history.state('orders')
    const last = Math.max(0, (state?.last ?? 0) - this.#random.upTo(6))
    world.rewind(last)
    for (const witness of witnesses) witness.rewindsTo(last, world)
    // One that outgrows what a node has verified, before it has looked twice, looks like the same.
    await world.settle(1_500)
  }
}

/** Gaps that were told, over all seeds: else the stories would prove nothing of them. */
const told = { expired: 0, rewound: 0 }

for (let seed = 1; seed <= 12; seed += 1) {
  test(`with room enough nothing is lost, doubled or told as a gap (seed ${seed})`, async (t) => {
    const story = new Story(seed, harsh, 5)
    const witnesses = await story.run(t, { ringCountMax: 3 })
    for (const { client } of witnesses) assert.deepEqual(client.gaps, [], client.name)
  })

  test(`under tight limits whatever is lost is named by a gap (seed ${seed})`, async (t) => {
    // A replica that lags removes late, too, which the one here does not.
    const story = new Story(seed * 7919, harsh, 0)
    const settings = { messagesPerChannel: 4, maxAgeSeconds: 120 }
    await story.run(t, { ringCountMax: 2, settings, limits: { recoveryCountMax: 3 } })
  })

  test(`of a history of 4 s what has expired is named by a gap (seed ${seed})`, async (t) => {
    const story = new Story(seed * 15_485_863, harsh, 0)
    const settings = { maxAgeSeconds: 4 }
    const witnesses = await story.run(t, { ringCountMax: 3, settings })
    const gaps = witnesses.flatMap(({ client }) => client.gaps)
    for (const { reason } of gaps) assert.equal(reason, 'expired')
    told.expired += gaps.length
  })

  test(`of a history that is made anew nothing is lost unsaid (seed ${seed})`, async (t) => {
    const story = new Story(seed * 104_729, { ...harsh, renewed: 0.1 }, 0)
    await story.run(t, { ringCountMax: 3 })
  })

  test(`of a history set back to backups nothing is lost unsaid (seed ${seed})`, async (t) => {
    const story = new Story(seed * 32_452_843, { ...harsh, rewound: 0.1 }, 0)
    const witnesses = await story.run(t, { ringCountMax: 3 })
    const gaps = witnesses.flatMap(({ client }) => client.gaps)
    for (const { reason } of gaps) assert.equal(reason, 'new_epoch')
    told.rewound += gaps.length
  })

  test(`with hardly room for a recovery nothing is lost unsaid (seed ${seed})`, async (t) => {
    const story = new Story(seed * 15_485_863, harsh, 5)
    const limits = { recoveryBytesMax: 6, recoveriesBytesMax: 12, patternChannelsMax: 3 }
    await story.run(t, { ringCountMax: 2, limits })
  })
}

test('something did expire in these stories, and rewinds were noticed', () => {
  assert.ok(told.expired > 0 && told.rewound > 0, JSON.stringify(told))
})
