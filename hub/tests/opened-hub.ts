/** A hub for a test, with a clock that the test turns, and a subscriber that writes down all. */
import assert from 'node:assert/strict'
import { isChannel } from '../../shared/channel.js'
import { isPattern } from '../../shared/pattern.js'
import type { Broker, BrokerEvent } from '../broker.js'
import type { Gap } from '../gap.js'
import { Hub, type HubLimits } from '../hub.js'
import type { Publication } from '../publication.js'
import type { Subscriber } from '../subscriber.js'
import type { Subscription } from '../subscription.js'
import { FakeClock } from './fake-clock.js'
import type { TestScope } from './nats-server.js'

export const defaultLimits: HubLimits = {
  publicationBytesMax: 1_000,
  channelsMax: 1_000,
  lingeringMax: 100,
  lingerMs: 30_000,
  ringCountMax: 100,
  ringBytesMax: 100_000,
  ringsBytesMax: 1_000_000,
}

export interface OpenedHub {
  readonly hub: Hub
  readonly clock: FakeClock
  readonly events: readonly BrokerEvent[]
}

/** Starts the broker too. */
export async function openHub(
  scope: TestScope,
  broker: Broker,
  limits: Partial<HubLimits> = {},
): Promise<OpenedHub> {
  const clock = new FakeClock()
  const events: BrokerEvent[] = []
  const hub = new Hub({
    broker,
    clock,
    limits: { ...defaultLimits, ...limits },
    subjectPrefix: 'rt',
    onEvent: (event) => events.push(event),
  })
  scope.after(() => hub.close())
  await hub.start()
  return { hub, clock, events }
}

const decoder = new TextDecoder()

export class Recorder implements Subscriber {
  readonly publications: Publication[] = []
  /** Everything in order: payloads as text, gaps as `gap <reason>`. */
  readonly heard: string[] = []

  /** Turned off, it takes nothing of a history and no durable publication. */
  canTake = true

  deliver(publication: Publication): boolean {
    if (!this.canTake) return false
    this.publications.push(publication)
    this.heard.push(decoder.decode(publication.payload))
    return true
  }

  gap({ reason, after, before }: Gap): void {
    const bounds = after === undefined ? '' : ` ${after}-${before ?? ''}`
    this.heard.push(`gap ${reason}${bounds}`)
  }

  ended(): void {
    this.heard.push('ended')
  }
}

export function subscribe(hub: Hub, name: string, subscriber: Subscriber): Subscription {
  const subscription = trySubscribe(hub, name, subscriber)
  assert.ok(subscription !== undefined)
  return subscription
}

export function trySubscribe(
  hub: Hub,
  name: string,
  subscriber: Subscriber,
): Subscription | undefined {
  assert.ok(isChannel(name) || isPattern(name))
  return hub.subscribe(name, subscriber)
}
