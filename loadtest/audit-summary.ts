/** The verdicts of an audit as a table, with the first faults in words. */
import { sentenceOf } from './audit-fault.js'
import type { Verdict } from './auditor.js'
import { formatTable } from './table.js'

const sentencesMax = 20
const header = [
  'subscriber',
  'expected',
  'received',
  'in gaps',
  'not acked',
  'gaps',
  'recovered',
  'not',
  'faults',
]

/** A row for each subscriber, over all of its names. */
export function formatAudit(verdicts: readonly Verdict[]): string {
  const subscribers = [...new Set(verdicts.map(({ subscriber }) => subscriber))]
  const rows = subscribers.map((subscriber) => {
    const own = verdicts.filter((verdict) => verdict.subscriber === subscriber)
    return [subscriber, ...cells(own)]
  })
  return [formatTable(header, rows), ...sentences(verdicts)].join('\n')
}

/** So many of all faults, as sentences: what is lost last, for that may only be late. */
export function sentences(verdicts: readonly Verdict[]): readonly string[] {
  const faults = verdicts.flatMap(({ subscriber, name, faults }) =>
    faults.map((fault) => ({ fault, whose: `${subscriber}, ${name}` })),
  )
  const isLoss = ({ fault }: (typeof faults)[number]): boolean => fault.type === 'lost'
  const inOrder = [...faults.filter((one) => !isLoss(one)), ...faults.filter(isLoss)]
  const all = inOrder.map(({ fault, whose }) => `${whose}: ${sentenceOf(fault)}`)
  const more = all.length - sentencesMax
  return more > 0 ? [...all.slice(0, sentencesMax), `and ${more} more`] : all
}

function cells(verdicts: readonly Verdict[]): readonly string[] {
  const sum = (count: (verdict: Verdict) => number): string =>
    String(verdicts.reduce((total, verdict) => total + count(verdict), 0))
  return [
    sum(({ expected }) => expected),
    sum(({ received }) => received),
    sum(({ named }) => named),
    sum(({ unacknowledged }) => unacknowledged),
    sum(({ gaps }) => gaps),
    sum(({ recovered }) => recovered),
    sum(({ unrecovered }) => unrecovered),
    sum(({ faults }) => faults.length),
  ]
}
