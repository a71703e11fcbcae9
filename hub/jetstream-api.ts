/** Requests to JetStream's API, their answers and their failures as values. */
import {
  NoRespondersError,
  PermissionViolationError,
  TimeoutError,
  type NatsConnection,
} from '@nats-io/transport-node'
import { createHash } from 'node:crypto'
import type { HistoryState } from './history.js'
import type { ExistingConfig } from './jetstream-stream.js'

export type ApiAnswer<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: ApiFault }

export type ApiFault =
  /** Nobody answers: a stall, an election, or a connection that ended. */
  | { readonly type: 'unanswered'; readonly reason: string }
  /** Nobody listens there: JetStream is not enabled in this account, or has no leader. */
  | { readonly type: 'no_jetstream'; readonly reason: string }
  | { readonly type: 'forbidden'; readonly reason: string }
  /** JetStream says no, with a number that tells which no it is. */
  | { readonly type: 'refused'; readonly errorCode: number; readonly reason: string }

/** JetStream's own numbers. */
export const apiErrors = {
  streamNotFound: 10_059,
  messageNotFound: 10_037,
  notEnabled: 10_076,
  notEnabledForAccount: 10_039,
} as const

/** Replicas are heard every second; others are elected after 4 s at the earliest. */
const unheardNsMax = 3_500_000_000

export type Json = Readonly<Record<string, unknown>>

export interface StreamInfo {
  readonly config: ExistingConfig
  readonly state: HistoryState
}

/** Never rejects. */
export async function apiRequest(
  connection: NatsConnection,
  subject: string,
  body: Json | undefined,
  timeoutMs: number,
): Promise<ApiAnswer<Json>> {
  try {
    const payload = body === undefined ? '' : JSON.stringify(body)
    const answer = await connection.request(`$JS.API.${subject}`, payload, { timeout: timeoutMs })
    return parseAnswer(answer.string())
  } catch (error) {
    return { ok: false, fault: faultOf(error, subject) }
  }
}

/** By the stream's leader, or nobody. */
export async function streamInfo(
  connection: NatsConnection,
  stream: string,
  timeoutMs: number,
): Promise<ApiAnswer<StreamInfo>> {
  const answer = await apiRequest(connection, `STREAM.INFO.${stream}`, undefined, timeoutMs)
  if (!answer.ok) return answer
  const { config, created, state, cluster } = answer.value
  if (!isJson(config) || typeof created !== 'string' || !isJson(state)) return unreadable
  const { messages, first_seq: first, last_seq: last } = state
  if (typeof first !== 'number' || typeof last !== 'number') return unreadable
  if (!hearsMost(cluster)) return deposed
  return {
    ok: true,
    value: {
      config,
      state: {
        epoch: epochOf(stream, created),
        first: messages === 0 ? last + 1 : first,
        last,
      },
    },
  }
}

/**
 * A leader that was cut off, or frozen, calls itself leader for more than 10 s after the others
 * have another one (measured): its history would look rewound. It has not heard most of them.
 */
function hearsMost(cluster: unknown): boolean {
  const replicas = isJson(cluster) ? cluster['replicas'] : undefined
  if (!Array.isArray(replicas)) return true
  const heard = replicas.filter((replica: unknown) => {
    if (!isJson(replica) || replica['offline'] === true) return false
    return Number(replica['active'] ?? 0) < unheardNsMax
  })
  return heard.length + 1 > (replicas.length + 1) / 2
}

function epochOf(stream: string, created: string): string {
  return createHash('sha256').update(`${stream}\n${created}`).digest('hex').slice(0, 12)
}

export interface LeaderMessage {
  readonly subject: string
  readonly sequence: number
}

/** The message that is asked for, by the leader's word; undefined: there is none. */
export async function leaderMessage(
  connection: NatsConnection,
  stream: string,
  which: Json,
  timeoutMs: number,
): Promise<ApiAnswer<LeaderMessage | undefined>> {
  const answer = await apiRequest(connection, `STREAM.MSG.GET.${stream}`, which, timeoutMs)
  if (!answer.ok) {
    const { fault } = answer
    const isNone = fault.type === 'refused' && fault.errorCode === apiErrors.messageNotFound
    return isNone ? { ok: true, value: undefined } : answer
  }
  const { message } = answer.value
  if (!isJson(message)) return unreadable
  const { subject, seq: sequence } = message
  if (typeof subject !== 'string' || typeof sequence !== 'number') return unreadable
  return { ok: true, value: { subject, sequence } }
}

const deposed = {
  ok: false,
  fault: { type: 'unanswered', reason: 'the stream has no leader that hears most of its replicas' },
} as const

const unreadable = {
  ok: false,
  fault: { type: 'unanswered', reason: 'JetStream gave an answer that cannot be read' },
} as const

function parseAnswer(text: string): ApiAnswer<Json> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return unreadable
  }
  if (!isJson(parsed)) return unreadable
  const { error } = parsed
  if (!isJson(error)) return { ok: true, value: parsed }
  const errorCode = Number(error['err_code'])
  const reason = String(error['description'])
  const isOff = errorCode === apiErrors.notEnabled || errorCode === apiErrors.notEnabledForAccount
  if (isOff) return { ok: false, fault: { type: 'no_jetstream', reason } }
  return { ok: false, fault: { type: 'refused', errorCode, reason } }
}

function faultOf(error: unknown, subject: string): ApiFault {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (cause instanceof NoRespondersError) {
    return { type: 'no_jetstream', reason: `nobody answers $JS.API.${subject}` }
  }
  if (cause instanceof PermissionViolationError) {
    return { type: 'forbidden', reason: cause.message }
  }
  if (cause instanceof TimeoutError) {
    return { type: 'unanswered', reason: `no answer in time to $JS.API.${subject}` }
  }
  return { type: 'unanswered', reason: cause instanceof Error ? cause.message : String(cause) }
}

export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
