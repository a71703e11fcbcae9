/** Subjects and limits that every store of publications has in common. */
import { isChannel, type Channel } from '../shared/channel.js'
import type { HistorySettings, Namespaces } from './namespaces.js'

export interface HistoryLayout {
  readonly namespaces: Namespaces
  readonly subjectPrefix: string
  readonly publicationBytesMax: number
}

const headerBytesMax = 8_192
/** And what a store keeps beside it. */
const subjectBytesMax = 512
const duplicateWindowMsMax = 120_000

/** What the subject of a new publication has before its channel. */
export function publishPrefix(subjectPrefix: string): string {
  return `${subjectPrefix}.pub.`
}

/** What the subject of a stored publication has before its channel. */
export function livePrefix(subjectPrefix: string): string {
  return `${subjectPrefix}.live.`
}

/** Undefined: anybody may have published there, but nobody can subscribe to it. */
export function channelOf(subject: string, prefix: string): Channel | undefined {
  if (!subject.startsWith(prefix)) return undefined
  const channel = subject.slice(prefix.length)
  return isChannel(channel) ? channel : undefined
}

/** How long a publication with the same `Nats-Msg-Id` is known as the same. */
export function duplicateWindowMs(history: HistorySettings): number {
  return Math.min(duplicateWindowMsMax, history.maxAgeSeconds * 1_000)
}

/** Of the newest publications of a namespace so many are kept, however large they are. */
export function keptMin({ maxBytes }: HistorySettings, publicationBytesMax: number): number {
  return Math.floor(maxBytes / (messageBytesMax(publicationBytesMax) + subjectBytesMax))
}

/** Of the payload and its headers together. */
export function messageBytesMax(publicationBytesMax: number): number {
  return publicationBytesMax + headerBytesMax
}
