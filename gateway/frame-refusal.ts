/** What `error` frames say where it is said in more than one place, or by the node's state. */
import type { FrameCode } from '../shared/codes.js'

export interface FrameRefusal {
  readonly code: FrameCode
  readonly message: string
}

export const noRoom: FrameRefusal = {
  code: 'overloaded',
  message: 'This node holds as many channels as it may.',
}

export const tooManyReaders: FrameRefusal = {
  code: 'overloaded',
  message: 'This node reads as many histories as it may; try again shortly.',
}

export const brokerAway: FrameRefusal = {
  code: 'broker_unavailable',
  message: 'The message broker is away; try again shortly.',
}

export const brokerRefused: FrameRefusal = {
  code: 'broker_unavailable',
  message: 'The message broker did not take the subscription.',
}

export const historyAway: FrameRefusal = {
  code: 'broker_unavailable',
  message: 'The history cannot be read now; try again shortly.',
}

export const endedMeanwhile: FrameRefusal = {
  code: 'not_subscribed',
  message: 'The subscription has ended meanwhile.',
}

export function tooManyFrames(framesPerSecondMax: number): string {
  return `A connection sends at most ${framesPerSecondMax} frames a second.`
}

export function tooManySubscriptions(subscriptionsMax: number): FrameRefusal {
  const message = `A connection has at most ${subscriptionsMax} subscriptions.`
  return { code: 'too_many_subscriptions', message }
}
