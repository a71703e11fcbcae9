/** The configured namespaces, and what each of them allows. */
import { namespaceOf } from '../shared/channel.js'

export interface Namespace {
  /** Undefined: ephemeral, at most once. */
  readonly history: HistorySettings | undefined
  /** Whether clients may subscribe to patterns in it. */
  readonly patterns: boolean
}

/** What a durable namespace keeps. */
export interface HistorySettings {
  readonly messagesPerChannel: number
  readonly maxAgeSeconds: number
  /** Of the whole namespace, headers and bookkeeping included. */
  readonly maxBytes: number
  readonly storage: 'file' | 'memory'
  readonly replicas: number
}

export const defaultHistory: HistorySettings = {
  messagesPerChannel: 100,
  maxAgeSeconds: 3_600,
  maxBytes: 1_073_741_824,
  storage: 'file',
  replicas: 1,
}

export type Namespaces = ReadonlyMap<string, Namespace>

export function findNamespace(namespaces: Namespaces, name: string): Namespace | undefined {
  return namespaces.get(namespaceOf(name))
}
