/** A gap as clients are told of it (PROTOCOL 5.6, 5.9). */
import type { Gap } from '../hub/gap.js'
import type { GapFrame } from '../shared/frames.js'

/** `channel`: the name as it was subscribed. */
export function gapFrame(channel: string, { reason, after, before, epoch, offset }: Gap): GapFrame {
  return {
    type: 'gap',
    channel,
    ...(after !== undefined && { after }),
    ...(before !== undefined && { before }),
    reason,
    ...(epoch !== undefined && { epoch }),
    ...(offset !== undefined && { offset }),
  }
}
