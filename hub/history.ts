/** What the hub needs of a store of publications. There are two: in memory, and JetStream. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'

/** A publication as a history holds it. */
export interface StoredPublication {
  readonly channel: Channel
  /** Rises within a namespace, and so within each channel, with holes. From 1. */
  readonly offset: number
  /** When it was stored, in ms since 1970. */
  readonly time: number
  readonly sender: string | undefined
  readonly contentType: string | undefined
  /** The channel's last: no more updates. */
  readonly isEnd: boolean
  /** Its own copy: it may be kept. */
  readonly payload: Uint8Array
}

/** One namespace's history now, by the word of the one who leads it: never a follower's. */
export interface HistoryState {
  /** 12 hex digits; another one when the history was made anew. */
  readonly epoch: string
  /** The lowest offset that is kept; one above `last` if nothing is. */
  readonly first: number
  readonly last: number
}

/** The newest publication of each channel that has one. */
export interface Screened {
  /** Everything up to this offset was looked at. A replica that lags has an older one. */
  readonly asOf: number
  readonly newest: ReadonlyMap<Channel, StoredPublication>
}

/** A stretch of one channel, or of all channels of a pattern, in the order of offsets. */
export interface ReadPage {
  readonly publications: readonly StoredPublication[]
  /** Whether nothing is left between the last of them and `asOf`. */
  readonly isWhole: boolean
  /** Everything up to this offset was looked at. */
  readonly asOf: number
}

/** How a scan ended; undefined in its place: it broke, and what it gave is good all the same. */
export interface ScanEnd {
  /** Everything from where it began up to this offset has been handed over. */
  readonly asOf: number
}

export interface Scan {
  /** The offset handed over last: who wants only later ones may still join. */
  readonly position: number
  readonly ended: Promise<ScanEnd | undefined>
  /** Ends it early; `ended` then resolves with undefined. */
  stop(): void
}

export type HistoryPublishResult =
  | { readonly ok: true; readonly offset: number }
  | { readonly ok: false; readonly code: 'broker_unavailable' }

/** What happened to a history, for its owner to act on, log and count. */
export type HistoryEvent =
  /** It can be read again, or for the first time; it may be another one: ask for its state. */
  | { readonly type: 'available'; readonly namespace: string }
  | { readonly type: 'unavailable'; readonly namespace: string; readonly reason: string }
  /** Its leader or its configuration changed, or it was made anew: look whether all is well. */
  | { readonly type: 'changed'; readonly namespace: string }
  | { readonly type: 'error'; readonly reason: string }

/**
 * Nothing here rejects. Undefined means that no answer could be had now: the history is away, has
 * no leader, or did not answer in time. Nobody may take that for an empty history.
 */
export interface History {
  /** Called once, before `start`. */
  onEvent(listener: (event: HistoryEvent) => void): void
  /** Begins to connect and goes on for ever; resolves at once. */
  start(): Promise<void>
  close(): Promise<void>
  state(namespace: string): Promise<HistoryState | undefined>
  /** At most `screenMax` channels of one namespace. */
  screen(namespace: string, channels: readonly Channel[]): Promise<Screened | undefined>
  /** From the first offset that is not below `from`. At most so many; at least one if there is. */
  read(
    namespace: string,
    name: Channel | Pattern,
    from: number,
    countMax: number,
    bytesMax: number,
  ): Promise<ReadPage | undefined>
  /** Everything of the namespace, from `from` to what is the newest when it gets there. */
  scan(namespace: string, from: number, take: (publication: StoredPublication) => void): Scan
  /** Ok: it is stored, at that offset. The payload may change after the call. */
  publish(
    channel: Channel,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<HistoryPublishResult>
}

/** Channels in one `screen`: what one request to JetStream may name. */
export const screenMax = 1_024
