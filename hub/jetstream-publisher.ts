/** Publications that JetStream has to acknowledge: stored, at an offset, or not. */
import { headers as natsHeaders, type MsgHdrs, type Payload } from '@nats-io/transport-node'
import { isHeaderValue } from './header-value.js'
import type { HistoryPublishResult } from './history.js'
import { isJson } from './jetstream-api.js'
import type { NatsBroker } from './nats-broker.js'

/** Publishes that JetStream has not answered yet, with this much for each beside its payload. */
const waitingBytesMax = 16 * 1024 * 1024
const waitingOverheadBytes = 512

const unavailable: HistoryPublishResult = { ok: false, code: 'broker_unavailable' }

export class JetStreamPublisher {
  readonly #broker: NatsBroker
  readonly #timeoutMs: number
  readonly #onError: (reason: string) => void
  #waitingBytes = 0

  constructor(broker: NatsBroker, timeoutMs: number, onError: (reason: string) => void) {
    this.#broker = broker
    this.#timeoutMs = timeoutMs
    this.#onError = onError
  }

  /** Never rejects. */
  async publish(
    stream: string,
    subject: string,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<HistoryPublishResult> {
    const connection = this.#broker.readySession?.connection
    const entries = Object.entries(headers)
    if (!entries.every(([, value]) => isHeaderValue(value))) return unavailable
    const bytes = payload.length + waitingOverheadBytes
    if (connection === undefined || this.#waitingBytes + bytes > waitingBytesMax) {
      return unavailable
    }
    this.#waitingBytes += bytes
    try {
      // nats.js reads the payload a microtask later; the caller may have reused it by then.
      const copy: Payload = new Uint8Array(payload)
      const options = { timeout: this.#timeoutMs, ...headersOf(entries) }
      const answer = await connection.request(subject, copy, options)
      return this.#acknowledged(stream, answer.string())
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#onError(`publish to ${stream}: ${withoutSubject(reason, subject)}`)
      return unavailable
    } finally {
      this.#waitingBytes -= bytes
    }
  }

  #acknowledged(stream: string, text: string): HistoryPublishResult {
    const answer = parsed(text)
    // Anybody may answer a request; only the stream knows its name and a sequence.
    const { stream: by, seq: offset, error } = answer
    if (isJson(error)) {
      this.#onError(`publish to ${stream}: ${String(error['description'])}`)
      return unavailable
    }
    if (by !== stream || typeof offset !== 'number' || offset < 1) return unavailable
    return { ok: true, offset }
  }
}

function headersOf(entries: readonly [string, string][]): { headers?: MsgHdrs } {
  if (entries.length === 0) return {}
  const headers = natsHeaders()
  for (const [name, value] of entries) headers.set(name, value)
  return { headers }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const answer: unknown = JSON.parse(text)
    return isJson(answer) ? answer : {}
  } catch {
    return {}
  }
}

/** One reason for all channels: a report for each would fill the log. */
function withoutSubject(reason: string, subject: string): string {
  return reason.replaceAll(subject, '…')
}
