/** A gap in plain words, with its bounds. */
import type { GapEvent } from './transport.js'

const reasons: Readonly<Record<GapEvent['reason'], string>> = {
  cursor_expired: 'the node no longer has everything since then',
  other_node: 'it was on another node, or before a restart',
  broker_disconnected: 'the node had lost NATS',
  slow_consumer: 'it was read too slowly',
  too_large: 'a publication was larger than allowed',
  new_epoch: 'the history was made anew or set back',
  expired: 'the history no longer has it',
  recovery_limit: 'more was missed than one recovery gives',
  not_subscribed: 'nothing keeps it for who is not connected',
}

/** What is lost, and why; without a full stop. */
export function gapSentence(gap: Omit<GapEvent, 'type'>): string {
  const { reason } = gap
  // A gateway that is newer may know others.
  const why = Object.hasOwn(reasons, reason) ? reasons[reason] : reason
  return `${lost(gap)}: ${why}`
}

function lost({ channel, after, before, epoch, offset }: Omit<GapEvent, 'type'>): string {
  if (epoch !== undefined && offset !== undefined) {
    const kept = after === undefined ? '' : ` after offset ${after}`
    return `${channel}${kept} goes on after offset ${offset} of another history, ${epoch}`
  }
  if (after !== undefined && before !== undefined) {
    return `whatever lay in ${channel} between offsets ${after} and ${before} is lost`
  }
  if (after !== undefined) return `what came in ${channel} after offset ${after} may be missing`
  if (before !== undefined) return `what came in ${channel} before offset ${before} may be missing`
  return `something of ${channel} may be missing`
}
