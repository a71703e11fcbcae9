/** What tabs and the hub that holds their connection say to each other. */
import type { Place } from './progress.js'
import type { SessionState } from './session.js'
import type { ClosedEvent, ConnectionEvent, TransportName } from './transport.js'

/**
 * Part of every name that tabs meet by: a page of another version may speak otherwise, and meets
 * its own kind only. It changes with these messages.
 */
export const tabsVersion = 1

/** Where the channels that a tab wants go on; without a place they begin live. */
export type Places = readonly (readonly [name: string, place?: Place | undefined])[]

export type TabMessage =
  | WantMessage
  /** It no longer takes part. */
  | { readonly type: 'leave' }
  /** Is the hub there? And: this tab is. */
  | { readonly type: 'ping' }
  | { readonly type: 'wake'; readonly isSuspect: boolean }
  /** The answer to the same of the hub's; without a token this tab has none. */
  | { readonly type: 'token'; readonly token?: string | undefined }

/** All channels that a tab wants from now on: `join` makes it a new one, whatever was before. */
export interface WantMessage {
  readonly type: 'join' | 'update'
  /** Counts what this tab has wanted; the hub answers with it. */
  readonly update: number
  readonly places: Places
  /** Whose hub it is: who is of another name has another. */
  readonly name: string
  /** The gateway's. */
  readonly url: string
  readonly last?: number | undefined
}

export type HubMessage =
  /** What follows is according to this of the tab's updates. */
  | { readonly type: 'updated'; readonly update: number }
  | WelcomeMessage
  | { readonly type: 'event'; readonly event: SharedEvent }
  | { readonly type: 'state'; readonly state: SessionState }
  /** Where channels have got to: everything up to there was sent to this tab before. */
  | { readonly type: 'places'; readonly places: Places }
  | ClosedEvent
  /** Who has a token? */
  | { readonly type: 'token' }
  | { readonly type: 'pong' }
  /** The hub leaves, or knows nothing of this tab. */
  | { readonly type: 'gone' }

/** There is a connection. */
export interface WelcomeMessage {
  readonly type: 'welcome'
  readonly transport: TransportName
  readonly duplicateWindowMs: number
}

/** What a tab hears as if the connection were its own. */
export type SharedEvent = Exclude<
  ConnectionEvent,
  { readonly type: 'welcome' | 'reconnect' | 'state' | 'closed' }
>

const channelsMax = 1_000

/** Undefined: whoever said this is none of ours. */
export function readTabMessage(value: unknown): TabMessage | undefined {
  if (!isRecord(value)) return undefined
  switch (value['type']) {
    case 'join':
    case 'update':
      return isWant(value) ? (value as unknown as WantMessage) : undefined
    case 'token':
      return isOptional(value['token'], 'string') ? (value as unknown as TabMessage) : undefined
    case 'leave':
    case 'ping':
    case 'wake':
      return value as unknown as TabMessage
    default:
      return undefined
  }
}

/** The types of `HubMessage`. What else is in one is the connection's to find wrong. */
const hubTypes = /^(updated|welcome|event|state|places|closed|token|pong|gone)$/

export function readHubMessage(value: unknown): HubMessage | undefined {
  const isOurs = isRecord(value) && hubTypes.test(String(value['type']))
  return isOurs ? (value as unknown as HubMessage) : undefined
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function isWant(value: Readonly<Record<string, unknown>>): boolean {
  const { update, places, name, url, last } = value
  if (!Array.isArray(places) || places.length > channelsMax) return false
  const isOurs = typeof update === 'number' && typeof name === 'string' && typeof url === 'string'
  return isOurs && isOptional(last, 'number') && places.every(isPlaced)
}

function isPlaced(value: unknown): boolean {
  if (!Array.isArray(value)) return false
  const [name, place] = value as unknown[]
  if (typeof name !== 'string') return false
  if (!isRecord(place)) return isOptional(place, 'string')
  return typeof place['epoch'] === 'string' && typeof place['offset'] === 'number'
}

function isOptional(value: unknown, type: 'string' | 'number'): boolean {
  return value === undefined || typeof value === type
}
