/** The stream that a durable namespace wants, and how one that exists differs from it. */
import {
  duplicateWindowMs,
  livePrefix,
  messageBytesMax,
  publishPrefix,
  type HistoryLayout,
} from './history-layout.js'
import type { HistorySettings } from './namespaces.js'

/** The part of a stream's configuration that Tidegate has an opinion about, as NATS writes it. */
export interface StreamConfig {
  readonly name: string
  readonly subjects: readonly string[]
  readonly republish: { readonly src: string; readonly dest: string }
  readonly retention: 'limits'
  readonly storage: 'file' | 'memory'
  readonly num_replicas: number
  readonly max_msgs_per_subject: number
  /** ns. */
  readonly max_age: number
  readonly max_bytes: number
  readonly max_msgs: number
  readonly max_msg_size: number
  readonly max_consumers: number
  readonly discard: 'old'
  readonly allow_direct: boolean
  /** ns. */
  readonly duplicate_window: number
  readonly metadata: Readonly<Record<string, string>>
}

/** A stream as NATS tells it: anybody may have made it. */
export type ExistingConfig = Readonly<Record<string, unknown>>

export interface StreamDifference {
  /** `field: is → wanted`. */
  readonly line: string
  /** Publications could be lost, unheard or hidden: nothing may be served from such a stream. */
  readonly isUnfit: boolean
  /** How to mend what no update can change; undefined: an update does it. */
  readonly mend: string | undefined
}

/** The oldest server with batches in direct gets. */
export const serverVersionMin = '2.11'

export const schemaKey = 'tidegate.schema'
const schemaVersion = '1'
const nsPerMs = 1_000_000

export function streamName(subjectPrefix: string, namespace: string): string {
  return `${subjectPrefix.replaceAll('.', '_')}_${namespace}`
}

/** One for each durable namespace, by its name. */
export function wantedStreams(layout: HistoryLayout): ReadonlyMap<string, StreamConfig> {
  const streams = new Map<string, StreamConfig>()
  for (const [namespace, { history }] of layout.namespaces) {
    if (history !== undefined) streams.set(namespace, wantedStream(namespace, history, layout))
  }
  return streams
}

function wantedStream(
  namespace: string,
  history: HistorySettings,
  { subjectPrefix, publicationBytesMax }: HistoryLayout,
): StreamConfig {
  const prefix = publishPrefix(subjectPrefix)
  // A channel of one token is in `default`; so is one that begins with that token.
  const single = namespace === 'default' ? [`${prefix}*`] : []
  return {
    name: streamName(subjectPrefix, namespace),
    subjects: [...single, `${prefix}${namespace}.>`],
    republish: { src: `${prefix}>`, dest: `${livePrefix(subjectPrefix)}>` },
    retention: 'limits',
    storage: history.storage,
    num_replicas: history.replicas,
    max_msgs_per_subject: history.messagesPerChannel,
    max_age: history.maxAgeSeconds * 1_000 * nsPerMs,
    max_bytes: history.maxBytes,
    max_msgs: -1,
    max_msg_size: messageBytesMax(publicationBytesMax),
    max_consumers: -1,
    discard: 'old',
    allow_direct: true,
    duplicate_window: duplicateWindowMs(history) * nsPerMs,
    metadata: { [schemaKey]: schemaVersion },
  }
}

const anew = 'delete the stream, with all that it keeps, and provision again'

/** What only a new stream can have otherwise. */
const fixed: Readonly<Record<string, string>> = {
  storage: `NATS cannot change it: ${anew}; or set the namespace's \`storage\` to what it is`,
  retention: `NATS cannot change it: ${anew}`,
  max_consumers: `NATS cannot change it: ${anew}`,
  mirror: `a mirror cannot capture publications: ${anew}`,
  sealed: `a sealed stream stays sealed: ${anew}`,
}

/** Fields that need not be as wanted for publications to be stored, heard and found again. */
const harmless = new Set(['storage', 'num_replicas', 'metadata', 'max_bytes'])

/** The same or more keeps what recovery counts on; less does not, though the field may be -1. */
const atLeast = new Set(['max_msgs_per_subject', 'max_age', 'max_msg_size', 'duplicate_window'])

/** What must be absent, or as NATS says that it is absent. */
const unwanted = ['mirror', 'sources', 'subject_transform', 'sealed', 'no_ack'] as const

export function streamDifferences(
  wanted: StreamConfig,
  existing: ExistingConfig,
): readonly StreamDifference[] {
  const differences: StreamDifference[] = []
  const differ = (field: string, is: unknown, want: unknown, isUnfit: boolean): void => {
    const line = `${field}: ${shown(field, is)} → ${shown(field, want)}`
    differences.push({ line, isUnfit, mend: fixed[field] })
  }
  for (const [field, want] of Object.entries(wanted)) {
    const is = existing[field]
    if (field === 'name' || isSame(field, is, want)) continue
    differ(field, is, want, !harmless.has(field) && !isMore(field, is, want))
  }
  for (const field of unwanted) {
    const is = existing[field]
    if (!isAbsent(is)) differ(field, is, undefined, true)
  }
  const { headers_only: headersOnly } = record(existing['republish'])
  if (headersOnly === true) differ('republish.headers_only', true, undefined, true)
  return differences
}

/** `field: value`, for a stream that does not exist yet. */
export function describeStream(wanted: StreamConfig): readonly string[] {
  return Object.entries(wanted)
    .filter(([field, value]) => field !== 'name' && value !== -1)
    .map(([field, value]) => `${field}: ${shown(field, value)}`)
}

/** What an update sends: everything that Tidegate has no opinion about stays. */
export function updatedConfig(wanted: StreamConfig, existing: ExistingConfig): ExistingConfig {
  const { subject_transform: _transform, sources: _sources, no_ack: _noAck, ...kept } = existing
  const metadata = Object.entries(record(existing['metadata'])).filter(
    ([key]) => !key.startsWith('_nats.'),
  )
  return {
    ...kept,
    ...wanted,
    metadata: { ...Object.fromEntries(metadata), ...wanted.metadata },
  }
}

/** Undefined: it is new enough. A sentence otherwise. */
export function serverTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin = 0, minorMin = 0] = serverVersionMin.split('.').map(Number)
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return undefined
  return (
    `NATS is version ${version}: durable channels need ${serverVersionMin} or newer. ` +
    'Upgrade nats-server, or set `"history": false` for every namespace.'
  )
}

function isSame(field: string, is: unknown, want: unknown): boolean {
  if (field === 'subjects') return Array.isArray(is) && sorted(is) === sorted(want as string[])
  if (field === 'republish') {
    const { src, dest } = record(is)
    const wanted = record(want)
    return src === wanted['src'] && dest === wanted['dest']
  }
  if (field === 'metadata') return record(is)[schemaKey] === record(want)[schemaKey]
  return is === want
}

function isMore(field: string, is: unknown, want: unknown): boolean {
  if (!atLeast.has(field) || typeof is !== 'number') return false
  // NATS says 0 or -1 for no limit.
  return is <= 0 || is > (want as number)
}

function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true
  return Array.isArray(value) && value.length === 0
}

function sorted(texts: readonly unknown[]): string {
  return texts.map(String).sort().join(' ')
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function shown(field: string, value: unknown): string {
  if (isAbsent(value)) return value === false ? 'false' : 'none'
  if (typeof value === 'number' && (field === 'max_age' || field === 'duplicate_window')) {
    return `${value / nsPerMs / 1_000} s`
  }
  if (field === 'metadata') return `${schemaKey} ${String(record(value)[schemaKey] ?? 'none')}`
  if (field === 'republish') {
    const { src, dest } = record(value)
    return `${String(src)} to ${String(dest)}`
  }
  if (Array.isArray(value) && value.every((part) => typeof part === 'string')) {
    return value.join(', ')
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
