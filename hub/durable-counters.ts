/** What the durable namespaces of a node count: plain numbers, read when they are scraped. */
export type RecoveryResult = 'recovered' | 'not_recovered'
export type RecoverySource = 'ring' | 'history'

export class DurableCounters {
  /** Messages from the live subjects, duplicates too. */
  received = 0
  deliveries = 0
  /** Without the headers that a stream writes, or in no channel. */
  unreadable = 0
  duplicates = 0
  tooLarge = 0
  /** Channels read again because something was missing, or to verify them. */
  repairs = 0
  /** Publications that came by a repair and by nothing else. */
  repaired = 0
  /** Completed passes over all channels of a namespace: each moves its verified offset. */
  verifications = 0
  /** Histories that turned out to be others than they were. */
  newEpochs = 0
  readonly recoveries: Record<RecoveryResult, Record<RecoverySource, number>> = {
    recovered: { ring: 0, history: 0 },
    not_recovered: { ring: 0, history: 0 },
  }
}
