/** Holds what subscribers heard against what was published: no loss may be silent. */
import { isChannel } from '../shared/channel.js'
import type { AuditFault, AuditFaultType } from './audit-fault.js'
import { absenceOf } from './audit-stretch.js'
import { AuditWalk } from './audit-walk.js'
import type { LoggedPublication, PublicationLog } from './publication-log.js'
import type { HeardEvent, SubscriberRecord } from './subscriber-record.js'

export interface AuditOptions {
  /**
   * A pattern's position is a verified offset: after a recovery, what was received beyond it may
   * come once more (default). False: the subscriber drops such repeats itself.
   */
  readonly repeatsOfPatterns?: boolean
}

/** What one subscriber heard of one channel or pattern. */
export interface Verdict {
  readonly subscriber: string
  readonly name: string
  readonly faults: readonly AuditFault[]
  /** Acknowledged publications in the time of interest: each is received, named or lost. */
  readonly expected: number
  readonly received: number
  /** Not received, and covered by a gap. */
  readonly named: number
  /** Received without ever having been acknowledged. */
  readonly unacknowledged: number
  readonly gaps: number
  readonly recovered: number
  readonly unrecovered: number
}

export function audit(
  log: PublicationLog,
  records: readonly SubscriberRecord[],
  options: AuditOptions = {},
): readonly Verdict[] {
  const heardAt = new Map<LoggedPublication, number>()
  return records.flatMap((record) =>
    namesOf(record.events).map((name) => {
      const walk = new AuditWalk(name, log, heardAt, options.repeatsOfPatterns ?? true)
      for (const event of record.events) {
        if (!('name' in event) || event.name === name) walk.take(event)
      }
      walk.finish()
      return judge(record.subscriber, walk, log)
    }),
  )
}

export function faultCounts(verdicts: readonly Verdict[]): ReadonlyMap<AuditFaultType, number> {
  const counts = new Map<AuditFaultType, number>()
  for (const { type } of verdicts.flatMap(({ faults }) => faults)) {
    counts.set(type, (counts.get(type) ?? 0) + 1)
  }
  return counts
}

function namesOf(events: readonly HeardEvent[]): readonly string[] {
  return [...new Set(events.flatMap((event) => ('name' in event ? [event.name] : [])))]
}

function judge(subscriber: string, walk: AuditWalk, log: PublicationLog): Verdict {
  const { name, stretches, gaps, recovered, unrecovered } = walk
  let received = 0
  let named = 0
  const lost: AuditFault[] = []
  for (const publication of stretches.length === 0 ? [] : log.of(name)) {
    const { channel, number, offset } = publication
    if (offset === undefined) continue
    if (walk.received.has(publication)) received += 1
    else {
      const absence = absenceOf(publication, stretches)
      if (absence === 'named') named += 1
      if (absence === 'lost') lost.push({ type: 'lost', channel, number, offset })
    }
  }
  const faults = [...walk.faults, ...lost]
  return {
    subscriber,
    name,
    faults: [...faults, ...unexplained(walk, faults), ...missingEnd(walk, log)],
    expected: received + named + lost.length,
    received,
    named,
    unacknowledged: [...walk.received].filter(({ offset }) => offset === undefined).length,
    gaps,
    recovered,
    unrecovered,
  }
}

/** A chain is broken where something is lost or late: that was said. The others are faults. */
function unexplained({ breaks }: AuditWalk, faults: readonly AuditFault[]): readonly AuditFault[] {
  const isExplained = (channel: string, from: number, to: number): boolean =>
    faults.some((fault) => {
      if (!('channel' in fault) || fault.channel !== channel) return false
      return from < fault.offset && fault.offset < to
    })
  return breaks
    .filter(({ channel, last, offset }) => !isExplained(channel, last, offset))
    .map((each) => ({ type: 'chain_broken', ...each }))
}

function missingEnd({ name, stretches, hasEnded }: AuditWalk, log: PublicationLog): AuditFault[] {
  if (!isChannel(name) || hasEnded || stretches.length === 0) return []
  const last = log.of(name).at(-1)
  if (last?.isEnd !== true || last.offset === undefined || last.lastEra < Infinity) return []
  return [{ type: 'wrong_end', why: `the end of ${name} was never said` }]
}
