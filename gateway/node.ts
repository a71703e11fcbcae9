/** What every connection of a node shares. A node is one process with one event loop. */
import type { Clock } from '../hub/clock.js'
import type { Hub } from '../hub/hub.js'
import type { Namespaces } from '../hub/namespaces.js'
import type { WelcomeFrame } from '../shared/frames.js'
import type { Authenticator } from './authenticator.js'
import type { CatchUpQueue } from './catch-up-queue.js'
import type { Counters } from './counters.js'
import type { DueWheel } from './due-wheel.js'
import type { FlushQueue } from './flush-queue.js'
import type { Heartbeats } from './heartbeats.js'
import type { Identity } from './identity.js'
import type { OnInternalError } from './internal-error.js'
import type { Origins } from './origins.js'
import type { OutboxBudget } from './outbox-budget.js'
import type { Problem } from './problem.js'

/** The settings that connections read; the configuration satisfies it. */
export interface NodeSettings {
  readonly namespaces: Namespaces
  readonly heartbeatSeconds: number
  readonly clockToleranceSeconds: number
  readonly publicationBytesMax: number
  readonly frameBytesMax: number
  readonly subscriptionsMax: number
  readonly requestChannelsMax: number
  readonly framesPerSecondMax: number
  readonly framesBurstMax: number
  readonly pollWaitSecondsMax: number
  readonly connectionsMax: number
  readonly pendingPollsMax: number
  readonly browserRefusalsPerSecondMax: number
  readonly proxyProtocol: boolean
}

export interface NodeClock extends Clock {
  /** How far it is ahead of the wall clock; absent: not at all. */
  readonly setBackMs?: number
}

export interface Node {
  /** 8 random bytes in hex, new at each start of the process. */
  readonly id: string
  readonly settings: NodeSettings
  readonly hub: Hub
  readonly authenticator: Authenticator
  /** Never goes back; what a token says is by the wall clock, see `expiryOf`. */
  readonly clock: NodeClock
  /** The least of all durable namespaces; undefined where there is none. */
  readonly duplicateWindowSeconds: number | undefined
  readonly random: () => number
  readonly counters: Counters
  readonly flushQueue: FlushQueue
  /** Polls to be answered: a queue of their own, because answering unsubscribes. */
  readonly answerQueue: FlushQueue
  readonly catchUpQueue: CatchUpQueue
  readonly heartbeats: Heartbeats
  readonly wheel: DueWheel
  readonly outbox: OutboxBudget
  readonly origins: Origins
  /** Welcomed so far: what makes the ids of connections differ. */
  welcomed: number
  /** Set when the process is told to leave: newcomers are refused. */
  isDraining: boolean
  /** When an answer was written last that the kernel may not have taken as a whole. */
  largeAnswerAt: number
  /** An exception at the top of an engine callback: a bug, told to whoever logs. */
  readonly onInternalError: OnInternalError
}

/** An answer above it is a large one: a socket's send buffer holds less at the least. */
export const largeAnswerBytes = 16_384

const retryAfterSecondsSpread = 10

/** When the identity's connection ends, by the node's clock. `expiresAt` is by the wall clock. */
export function expiryOf({ clock, settings }: Node, expiresAt: number): number {
  return expiresAt + settings.clockToleranceSeconds * 1000 + (clock.setBackMs ?? 0)
}

/** A point in the first heartbeat interval: 100,000 that came together must not beat together. */
export function firstHeartbeatAt(node: Node): number {
  return node.clock.now() + node.random() * node.settings.heartbeatSeconds * 1000
}

/** Whether a newcomer may come in at all, before anything costly is looked at. */
export function admissionProblem(node: Node): Problem | undefined {
  const { websocket, sse, poll } = node.counters.connections
  if (node.isDraining) return leavingProblem(node)
  if (websocket + sse + poll >= node.settings.connectionsMax) {
    return busy(node, 'overloaded', 'This node holds as many connections as it may.')
  }
  return undefined
}

export function leavingProblem(node: Node): Problem {
  return busy(node, 'draining', 'This node is leaving; another one will take the connection.')
}

/** What the welcome of a connection says on every transport that has one (PROTOCOL 4.7). */
export type Welcome = Omit<WelcomeFrame, 'type' | 'subscriptions' | 'positions'>

export function nextWelcome(node: Node, { expiresAt }: Identity): Welcome {
  const { id, settings, duplicateWindowSeconds } = node
  node.welcomed += 1
  return {
    // Names it for whoever reports trouble with it.
    connection: `${id}-${node.welcomed}`,
    node: id,
    expiresAt,
    heartbeatSeconds: settings.heartbeatSeconds,
    ...(duplicateWindowSeconds !== undefined && { duplicateWindowSeconds }),
  }
}

/** Whole seconds, drawn anew for each answer (PROTOCOL 9.3). */
export function retryAfter(node: Node): number {
  return 1 + Math.floor(node.random() * retryAfterSecondsSpread)
}

export function busy(
  node: Node,
  code: 'draining' | 'overloaded' | 'broker_unavailable' | 'key_unknown',
  detail: string,
): Problem {
  // Jittered: who was refused together must not come back together.
  return { code, detail, retryAfterSeconds: retryAfter(node) }
}

export function noRoom(node: Node): Problem {
  return busy(node, 'overloaded', 'This node holds as many channels as it may.')
}

export function brokerAway(node: Node): Problem {
  return busy(node, 'broker_unavailable', 'The message broker is away.')
}
