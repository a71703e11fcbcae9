/** The auditor passes what was delivered as promised, and finds exactly the fault put in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sentenceOf } from '../audit-fault.js'
import { audit, faultCounts, type Verdict } from '../auditor.js'
import type {
  HeardEvent,
  HeardGap,
  HeardPublication,
  HeardSubscribed,
} from '../subscriber-record.js'
import {
  channels,
  pick,
  placesOf,
  quiet,
  RecordedStream,
  seeded,
  wild,
  type Chances,
  type Random,
} from './recorded-stream.js'

const seed = fc.integer()
const runs = { numRuns: 300 }

function check(stream: RecordedStream): readonly Verdict[] {
  return audit(stream.log, stream.records)
}

function countsOf(stream: RecordedStream): Record<string, number> {
  return Object.fromEntries(faultCounts(check(stream)))
}

function sentencesOf(verdicts: readonly Verdict[]): string {
  return verdicts.flatMap(({ faults }) => faults.map(sentenceOf)).join('\n')
}

/** The events of the subscriber that has each channel of its own; they may be changed. */
function ownEvents(stream: RecordedStream): HeardEvent[] {
  return stream.records[0]?.events as HeardEvent[]
}

function isAcknowledged(stream: RecordedStream, { channel, number }: HeardPublication): boolean {
  return stream.log.find(channel, number as number)?.offset !== undefined
}

/** A stream, a channel of it, and the places of what was acknowledged in it: at least four. */
interface Victim {
  readonly stream: RecordedStream
  readonly random: Random
  readonly events: HeardEvent[]
  readonly channel: string
  readonly places: readonly number[]
}

const publicationAt = (events: readonly HeardEvent[], at: number | undefined): HeardPublication =>
  events[at as number] as HeardPublication

/** Puts the fault into streams of many seeds; what is found must be exactly what it answers. */
function holds(
  chances: Chances,
  putIn: (victim: Victim) => Readonly<Record<string, number>> | undefined,
): void {
  let put = 0
  fc.assert(
    fc.property(seed, (start) => {
      const random = seeded(start)
      const stream = new RecordedStream(random, chances, 80)
      const events = ownEvents(stream)
      const channel = pick(random, channels)
      const places = placesOf(events, (heard) => {
        return heard.channel === channel && isAcknowledged(stream, heard)
      })
      if (places.length < 4) return
      const expected = putIn({ stream, random, events, channel, places })
      if (expected === undefined) return
      assert.deepEqual(countsOf(stream), expected, sentencesOf(check(stream)))
      put += 1
    }),
    runs,
  )
  assert.ok(put > 20, `the fault fitted into ${put} streams only`)
}

test('what was delivered as promised passes, through gaps, recoveries and lost histories', () => {
  let expected = 0
  let repeated = 0
  fc.assert(
    fc.property(seed, (start) => {
      const stream = new RecordedStream(seeded(start), wild, 200)
      const verdicts = check(stream)
      assert.equal(sentencesOf(verdicts), '')
      expected += verdicts.reduce((sum, verdict) => sum + verdict.expected, 0)
      repeated += 'duplicate' in Object.fromEntries(withoutRepeats(stream)) ? 1 : 0
    }),
    runs,
  )
  assert.ok(expected > 10_000)
  assert.ok(repeated > 10, 'patterns have heard things again')
})

function withoutRepeats({ log, records }: RecordedStream): ReadonlyMap<string, number> {
  return faultCounts(audit(log, records, { repeatsOfPatterns: false }))
}

test('what gaps name is counted, and nothing else is missing', () => {
  fc.assert(
    fc.property(seed, (start) => {
      const stream = new RecordedStream(seeded(start), { ...quiet, leaving: 0.2, gap: 0.2 }, 120)
      const verdicts = check(stream)
      const named = verdicts.reduce((sum, verdict) => sum + verdict.named, 0)
      assert.equal(named, stream.named)
      for (const verdict of verdicts) {
        assert.equal(verdict.expected, verdict.received + verdict.named)
      }
    }),
    runs,
  )
})

test('a publication that is missing is lost, wherever it was, and the broken chain with it', () => {
  for (const chances of [quiet, { ...quiet, leaving: 0.2 }]) {
    holds(chances, ({ random, events, places }) => {
      events.splice(pick(random, places), 1)
      return { lost: 1 }
    })
  }
})

test('the last publication of a channel is missed, though no chain shows it', () => {
  holds(quiet, ({ events, places }) => {
    events.splice(places.at(-1) as number, 1)
    return { lost: 1 }
  })
})

test('one that was stored without an acknowledgement is missed by the chain', () => {
  holds(quiet, ({ stream, random, events }) => {
    const places = placesOf(events, (heard) => !isAcknowledged(stream, heard))
    if (places.length === 0) return undefined
    events.splice(pick(random, places), 1)
    return { chain_broken: 1 }
  })
})

test('a publication that comes again is a duplicate, however much later', () => {
  holds({ ...quiet, leaving: 0.1 }, ({ random, events, places }) => {
    const at = pick(random, places)
    const later = at + 1 + Math.floor(random() * (events.length - at))
    events.splice(later, 0, publicationAt(events, at))
    return { duplicate: 1 }
  })
})

test('two publications in the wrong order are one fault', () => {
  holds(quiet, ({ stream, random, events, channel }) => {
    const places = placesOf(events, (heard) => heard.channel === channel)
    const which = Math.floor(random() * (places.length - 1))
    const [first, second] = [places[which] as number, places[which + 1] as number]
    const earlier = publicationAt(events, first)
    events[first] = publicationAt(events, second)
    events[second] = earlier
    assert.ok(stream.log.find(channel, earlier.number as number))
    return { reordered: 1 }
  })
})

/** Removes `count` in a row; answers with the last one before them, and them. */
function cut({ random, events, channel }: Victim, count: number): readonly HeardPublication[] {
  const places = placesOf(events, (heard) => heard.channel === channel)
  const which = 1 + Math.floor(random() * (places.length - count - 1))
  const found = [...Array(count + 1).keys()].map((at) =>
    publicationAt(events, places[which - 1 + at]),
  )
  for (const heard of found.slice(1)) events.splice(events.indexOf(heard), 1)
  return found
}

function tellGap(
  { events, channel }: Victim,
  last: HeardPublication | undefined,
  after: number,
  before: number,
): void {
  const at = events.indexOf(last as HeardEvent) + 1
  events.splice(at, 0, { type: 'gap', name: channel, reason: 'expired', after, before })
}

test('what a gap names is not lost', () => {
  holds(quiet, (victim) => {
    const [last, first, second] = cut(victim, 2)
    if (last === undefined || first === undefined || second === undefined) return undefined
    tellGap(victim, last, last.offset, second.offset + 1)
    return {}
  })
})

test('a gap that is one too short leaves the last one lost', () => {
  holds({ ...quiet, unacknowledged: 0 }, (victim) => {
    const [last, first, second] = cut(victim, 2)
    if (last === undefined || first === undefined || second === undefined) return undefined
    tellGap(victim, last, last.offset, second.offset)
    return { lost: 1 }
  })
})

test('a gap that begins one too late leaves the first one lost', () => {
  holds({ ...quiet, unacknowledged: 0 }, (victim) => {
    const [last, first, second] = cut(victim, 2)
    if (last === undefined || first === undefined || second === undefined) return undefined
    tellGap(victim, last, first.offset, second.offset + 1)
    return { lost: 1 }
  })
})

test('a gap of another channel covers nothing', () => {
  holds({ ...quiet, unacknowledged: 0 }, (victim) => {
    const [last, first] = cut(victim, 1)
    if (last === undefined || first === undefined) return undefined
    const name = channels.find((each) => each !== victim.channel) as string
    const between = placesOf(victim.events, ({ channel, offset }) => {
      return channel === name && last.offset < offset && offset <= first.offset
    })
    if (between.length > 0) return undefined
    tellGap({ ...victim, channel: name }, last, last.offset, first.offset + 1)
    return { lost: 1 }
  })
})

test('a gap without bounds, turned round, over what came or beyond the end is refused', () => {
  const wrong = [
    () => ({}),
    (last: number) => ({ after: last }),
    (last: number) => ({ after: last + 1, before: last + 1 }),
    (last: number) => ({ after: last - 1, before: last + 1 }),
    (last: number) => ({ after: last, before: 10_000 }),
    (last: number) => ({ after: last + 0.5, before: last + 1.5 }),
  ]
  for (const bounds of wrong) {
    holds(quiet, ({ random, events, channel, places }) => {
      const at = pick(random, places)
      const gap = bounds(publicationAt(events, at).offset)
      events.splice(at + 1, 0, { type: 'gap', name: channel, reason: 'expired', ...gap })
      return { gap_bounds: 1 }
    })
  }
})

test('a publication that a gap has named may not come after it', () => {
  holds({ ...quiet, unacknowledged: 0 }, (victim) => {
    const { events, places, random } = victim
    const at = 1 + Math.floor(random() * (places.length - 1))
    const last = publicationAt(events, places[at - 1])
    tellGap(victim, last, last.offset, publicationAt(events, places[at]).offset + 1)
    return { gap_bounds: 1 }
  })
})

function isLive(heard: HeardEvent, { name, offset }: HeardSubscribed): boolean {
  return heard.type === 'publication' && heard.name === name && heard.offset > offset
}

test('`recovered: false` without a gap names nothing', () => {
  holds({ ...quiet, leaving: 0.2 }, ({ random, events }) => {
    const places = [...events.keys()].filter((at) => {
      const event = events[at]
      if (event?.type !== 'subscribed' || event.recovered !== true) return false
      const later = events.slice(at + 1)
      const cut = later.findIndex(({ type }) => type === 'disconnected')
      return cut === -1 || later.slice(0, cut).some((heard) => isLive(heard, event))
    })
    if (places.length === 0) return undefined
    const at = pick(random, places)
    events[at] = { ...(events[at] as HeardSubscribed), recovered: false }
    return { gap_bounds: 1 }
  })
})

test('a payload of another publication, or of none, is found at its offset', () => {
  holds(quiet, ({ random, events, places }) => {
    const [at, other] = [pick(random, places), pick(random, places)]
    const heard = publicationAt(events, at)
    if (at === other) return undefined
    events[at] = { ...heard, number: publicationAt(events, other).number }
    return { wrong_payload: 1 }
  })
  for (const number of [undefined, 0, 100_000]) {
    holds(quiet, ({ random, events, places }) => {
      const at = pick(random, places)
      events[at] = { ...publicationAt(events, at), number }
      return { unknown: 1, lost: 1 }
    })
  }
})

test('a publication of a channel that was not subscribed is unknown', () => {
  holds(quiet, ({ random, events, channel, places }) => {
    const at = pick(random, places)
    const name = channels.find((each) => each !== channel) as string
    events.splice(at, 0, { ...publicationAt(events, at), name })
    return { unknown: 1 }
  })
})

test('a previous offset that nobody received breaks the chain', () => {
  holds(quiet, ({ random, events, places }) => {
    const at = pick(random, places.slice(1))
    const heard = publicationAt(events, at)
    if (heard.previous === heard.offset - 1) return undefined
    events[at] = { ...heard, previous: heard.offset - 1 }
    return { chain_broken: 1 }
  })
})

test('what was not acknowledged has one offset, and no other has it, whoever hears of it', () => {
  holds(quiet, ({ stream, random, events }) => {
    const places = placesOf(events, (heard) => !isAcknowledged(stream, heard))
    if (places.length === 0) return undefined
    const at = pick(random, places)
    const heard = publicationAt(events, at)
    const ofChannel = placesOf(events, ({ channel }) => channel === heard.channel)
    const which = ofChannel.indexOf(at)
    const last = publicationAt(events, ofChannel[which - 1] ?? at).offset
    if (which === 0 || last === heard.offset - 1) return undefined
    const next = ofChannel[which + 1] as number
    events[at] = { ...heard, offset: heard.offset - 1 }
    events[next] = { ...publicationAt(events, next), previous: heard.offset - 1 }
    return { wrong_payload: 1 }
  })
})

test('an epoch that the history never had is found, and a new one that was none', () => {
  holds(quiet, ({ events, channel }) => {
    const at = events.findIndex((event) => event.type === 'subscribed' && event.name === channel)
    events[at] = { ...(events[at] as HeardSubscribed), epoch: 'ffffffffffff' }
    return { wrong_epoch: 1 }
  })
  for (const epoch of ['ffffffffffff', '000000000001']) {
    holds(quiet, ({ random, events, channel, places }) => {
      const at = pick(random, places)
      const { offset } = publicationAt(events, at)
      const gap = { name: channel, reason: 'new_epoch', after: offset, epoch, offset }
      events.splice(at + 1, 0, { type: 'gap', ...gap })
      return { wrong_epoch: 1 }
    })
  }
})

test('nobody passes to a new history, or one that was set back, without having been told', () => {
  for (const chances of [
    { ...quiet, wipe: 0.02 },
    { ...quiet, rewind: 0.02 },
  ]) {
    let found = 0
    holds(chances, ({ stream, events, channel, places }) => {
      const told = [...events.keys()].filter((at) => {
        const event = events[at]
        return event?.type === 'gap' && event.name === channel
      })
      const [at] = told
      const before = places.filter((place) => place < (at ?? 0)).at(-1)
      if (told.length !== 1 || at === undefined || before === undefined) return undefined
      const { offset = 0 } = events[at] as HeardGap
      if (publicationAt(events, before).offset <= offset) return undefined
      events.splice(at, 1)
      found += 1
      assert.ok((countsOf(stream)['wrong_epoch'] ?? 0) > 0, sentencesOf(check(stream)))
      return countsOf(stream)
    })
    assert.ok(found > 10)
  }
})

test('what a pattern is missing is lost', () => {
  fc.assert(
    fc.property(seed, (start) => {
      const random = seeded(start)
      const stream = new RecordedStream(random, { ...quiet, leaving: 0.2 }, 80)
      const events = stream.records[1]?.events as HeardEvent[]
      const places = placesOf(events, (heard) => isAcknowledged(stream, heard))
      const { channel, number } = publicationAt(events, pick(random, places))
      const left = events.filter((event) => {
        return event.type !== 'publication' || event.channel !== channel || event.number !== number
      })
      events.splice(0, events.length, ...left)
      assert.deepEqual(countsOf(stream), { lost: 1 }, sentencesOf(check(stream)))
    }),
    runs,
  )
})
