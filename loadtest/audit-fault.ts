/** What an auditor finds wrong, and how it says so. */
import type { HeardGap } from './subscriber-record.js'

export type AuditFault =
  /** Acknowledged, in the time of interest, not received, and named by no gap. */
  | {
      readonly type: 'lost'
      readonly channel: string
      readonly number: number
      readonly offset: number
    }
  | HeardFault<'duplicate'>
  /** It came after one with a higher offset. */
  | (HeardFault<'reordered'> & { readonly last: number })
  /** Its payload is of no publication that was sent, or not of this subscription. */
  | HeardFault<'unknown'>
  /**
   * The publication with this number was acknowledged, or heard by others, at another offset; or,
   * without `expected`, another one was acknowledged at this.
   */
  | (HeardFault<'wrong_payload'> & { readonly expected: number | undefined })
  /** The channel's previous publication was neither received nor is it in a gap. */
  | {
      readonly type: 'chain_broken'
      readonly channel: string
      readonly offset: number
      readonly previous: number
      readonly last: number
    }
  | {
      readonly type: 'gap_bounds'
      readonly gap: Omit<HeardGap, 'type'> | undefined
      readonly why: string
    }
  | { readonly type: 'wrong_epoch'; readonly epoch: string; readonly why: string }
  /** `ended` without a last publication, or before it, or never. */
  | { readonly type: 'wrong_end'; readonly why: string }

interface HeardFault<Type extends string> {
  readonly type: Type
  readonly channel: string
  readonly number: number | undefined
  readonly offset: number
}

export type AuditFaultType = AuditFault['type']

/** One sentence for people. */
export function sentenceOf(fault: AuditFault): string {
  switch (fault.type) {
    case 'lost':
      return `${which(fault)} was acknowledged, not received, and is in no gap`
    case 'duplicate':
      return `${which(fault)} was received again`
    case 'reordered':
      return `${which(fault)} came after offset ${fault.last}`
    case 'unknown':
      return `what came as ${which(fault)} was never published there`
    case 'wrong_payload':
      return fault.expected === undefined
        ? `${which(fault)} came in the place of another`
        : `${which(fault)} has a payload that belongs to offset ${fault.expected}`
    case 'chain_broken': {
      const { channel, offset, previous, last } = fault
      return (
        `offset ${offset} of ${channel} names ${previous} as the previous one, ` +
        `but ${last} was, and no gap lies between`
      )
    }
    case 'gap_bounds':
      return `the gap ${JSON.stringify(fault.gap)} makes no sense: ${fault.why}`
    case 'wrong_epoch':
      return `epoch ${fault.epoch}: ${fault.why}`
    case 'wrong_end':
      return fault.why
  }
}

function which(fault: {
  readonly channel: string
  readonly number: number | undefined
  readonly offset: number
}): string {
  return `number ${fault.number ?? 'unknown'} of ${fault.channel} (offset ${fault.offset})`
}
