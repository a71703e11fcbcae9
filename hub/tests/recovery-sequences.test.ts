/** Whatever happens to a history, each request gets what is there in order, or is told why not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../../shared/pattern.js'
import type { StoredPublication } from '../history.js'
import { Bench } from './planner-bench.js'
import { Asker } from './recovery-asker.js'
import { turn } from './scripted-history.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'

interface Faults {
  readonly isLagging: boolean
  readonly isLosing: boolean
  readonly isRewound: boolean
  readonly isLimited: boolean
}

/** One history with its clients: what was stored, who asked, and what had to come of it. */
class Play {
  readonly bench: Bench
  readonly #random: SeededRandom
  readonly #faults: Faults
  readonly #stored: StoredPublication[] = []
  readonly #askers: Asker[] = []
  readonly #left = new Map<Asker, number>()
  /** Those before this one got what was there before the rewind, or were answered under it. */
  #judged = 0
  /** Who was being answered when the history was rewound. */
  #rewoundUnder: ReadonlySet<Asker> | undefined

  constructor(seed: number, faults: Faults) {
    this.#random = new SeededRandom(seed)
    this.#faults = faults
    const limits = { pageCountMax: this.#below(2) ? 3 : 256, parallelReadsMax: 1 + this.#below(4) }
    // Cheap scans, or none; so that every way is gone.
    const costs = { scanFixedUs: this.#below(3) * 1_000, scanPerMessageUs: 0.1 + this.#below(3) }
    this.bench = new Bench(limits, costs)
    const { history } = this.bench
    history.scannedPerMs = 1 + this.#below(30)
    if (faults.isLimited) history.messagesPerChannel = 5
    history.answerMs = () => this.#below(8)
    if (faults.isLagging) history.lag = () => (this.#below(3) === 0 ? this.#below(40) : 0)
    if (faults.isLosing) {
      const rarely = this.#below(2) === 0 ? 15 : 3
      history.isLost = () => this.#below(rarely) === 0
      history.breaksAt = () => this.#below(100) === 0
    }
  }

  async run(): Promise<void> {
    for (let step = 0; step < 120; step += 1) {
      this.#act()
      if (this.#below(3) === 0) await turn(this.bench.clock, this.#below(10))
    }
    this.bench.history.lag = () => 0
    await turn(this.bench.clock, 10_000)
    assert.equal(this.bench.planner.waiting, 0)
    assert.equal(this.bench.history.scansOpen, 0)
    assert.equal(this.bench.clock.pending, 0)
    assert.deepEqual(this.bench.errors, [])
    this.#askers.forEach((asker, at) => {
      if (at >= this.#judged || this.#rewoundUnder?.has(asker)) this.#judge(asker)
    })
  }

  results(): string[] {
    return this.#askers.map(({ result }) => result)
  }

  #act(): void {
    const { history, planner } = this.bench
    const dice = this.#below(20)
    if (dice < 9) {
      history.store(`c.${this.#below(8)}`)
      this.#stored.push(history.kept.at(-1)!)
    } else if (dice < 18) {
      this.#ask()
    } else if (dice < 19) {
      const waiting = this.#askers.filter((asker) => asker.result === 'waiting')
      const asker = waiting[this.#below(waiting.length)]
      if (asker === undefined || this.#left.has(asker)) return
      planner.cancel(asker)
      this.#left.set(asker, asker.calls)
    } else if (this.#faults.isRewound && !this.#rewoundUnder && history.last > 20) {
      const isWaiting = ({ result }: Asker): boolean => result === 'waiting'
      this.#rewoundUnder = new Set(this.#askers.filter(isWaiting))
      for (const asker of this.#askers) if (!isWaiting(asker)) this.#judge(asker)
      this.#judged = this.#askers.length
      history.rewind(history.last - 10)
    }
  }

  #ask(): void {
    const { last } = this.bench.history
    const name = this.#below(6) === 0 ? 'c.>' : `c.${this.#below(9)}`
    const isNewestOnly = this.#below(10) === 0 && name !== 'c.>'
    const from = isNewestOnly ? Infinity : Math.max(1, last + 2 - this.#below(60))
    const asker = new Asker(name, from, this.#below(2) * last)
    if (this.#below(8) === 0) asker.takesMax = 1 + this.#below(4)
    this.#askers.push(asker)
    this.bench.planner.request(asker)
  }

  #judge(asker: Asker): void {
    const { offsets, outcome, from, name } = asker
    const rising = [...new Set(offsets)].sort((a, b) => a - b)
    assert.deepEqual(offsets, rising, 'in order, once')
    if (this.#left.has(asker)) {
      assert.equal(asker.calls, this.#left.get(asker), 'not called after it left')
      return
    }
    assert.ok(outcome !== undefined, 'done')
    const wanted = this.#stored.filter(
      ({ channel, offset }) => offset >= from && covers(name, channel),
    )
    const isWanted = new Set(wanted.map(({ offset }) => offset))
    assert.ok(
      offsets.every((offset) => isWanted.has(offset)),
      'its own',
    )
    if (!outcome.ok) {
      if (outcome.code === 'rewound') assert.ok(this.#rewoundUnder, 'rewound')
      else assert.ok(this.#faults.isLosing || this.#faults.isLagging, outcome.code)
      return
    }
    // It may have grown again since: then only the time of the anchor tells, which is the hub's.
    if (this.#rewoundUnder?.has(asker)) return
    const upTo = outcome.isWhole ? outcome.asOf : (offsets.at(-1) ?? 0)
    const kept = new Set(this.bench.history.kept)
    const due = wanted.filter((stored) => stored.offset <= upTo && kept.has(stored))
    const had = new Set(offsets)
    assert.deepEqual(
      due.filter(({ offset }) => !had.has(offset)).map(({ offset }) => offset),
      [],
      'whole',
    )
    if (outcome.isWhole) assert.ok(outcome.asOf >= asker.floor, 'not behind what was known')
    else assert.equal(offsets.length, asker.takesMax)
    if (from === Infinity) assert.ok(outcome.isScreened)
  }

  #below(bound: number): number {
    return this.#random.upTo(bound - 1)
  }
}

const none = { isLagging: false, isLosing: false, isRewound: false, isLimited: false }

const plays: [promise: string, faults: Faults, results: string[]][] = [
  ['everybody gets all of it', none, ['whole', 'cut']],
  ['replicas that lag cost nobody anything', { ...none, isLagging: true }, ['whole', 'cut']],
  [
    'answers that never come cost time, or are said',
    { ...none, isLosing: true },
    ['whole', 'cut', 'broker_unavailable'],
  ],
  ['limits take only what they took', { ...none, isLimited: true }, ['whole', 'cut']],
  [
    'a history that is rewound is said to be',
    { ...none, isRewound: true, isLagging: true },
    ['whole', 'cut', 'rewound'],
  ],
  [
    'all of it together',
    { isLagging: true, isLosing: true, isRewound: true, isLimited: true },
    ['whole', 'cut', 'rewound', 'broker_unavailable'],
  ],
]

for (const [promise, faults, expected] of plays) {
  test(`in any order of events: ${promise}`, async () => {
    const results = new Set<string>()
    const ways = { singleReads: 0, scans: 0, joined: 0, screened: 0, retries: 0 }
    for (let seed = 1; seed <= 60; seed += 1) {
      const play = new Play(seed, faults)
      try {
        await play.run()
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
      }
      for (const result of play.results()) results.add(result)
      const { counters } = play.bench.planner
      for (const way of Object.keys(ways) as (keyof typeof ways)[]) ways[way] += counters[way]
    }
    results.delete('waiting')
    assert.deepEqual([...results].sort(), [...expected].sort())
    const { retries, ...used } = ways
    assert.ok(Math.min(...Object.values(used)) > 0, JSON.stringify(ways))
    if (faults.isLagging || faults.isLosing) assert.ok(retries > 0)
  })
}
