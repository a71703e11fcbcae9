/** The log: one JSON line a state change, with a fixed event name; never a payload or a token. */
import { pino } from 'pino'
import type { Clock } from '../hub/clock.js'
import type { LogLevel } from './config-schema.js'
import { Stretch } from './stretch.js'

/** Every event that may be logged, and its level. */
export const eventLevels = {
  /** With every effective setting and where it came from. */
  starting: 'info',
  /** A setting does something else than one might expect. */
  setting_notice: 'warn',
  /** The node listens. */
  started: 'info',
  start_failed: 'fatal',
  nats_connected: 'info',
  nats_disconnected: 'warn',
  /** Once a stretch of attempts. */
  nats_connect_failed: 'warn',
  nats_error: 'warn',
  /** Of a durable namespace, from now on. */
  history_available: 'info',
  /** With the reason; ephemeral channels go on. */
  history_unavailable: 'warn',
  /** Its leader or its configuration changed, or it was made anew. */
  history_changed: 'info',
  history_error: 'warn',
  /** What was made or updated at the start, and what could not be looked at. */
  history_notice: 'info',
  /** A pass over a history that took longer than a second. */
  long_scan: 'warn',
  keys_loaded: 'info',
  key_skipped: 'warn',
  keys_failed: 'error',
  /** These begin and end a stretch; see `Log.stretch`. */
  connections_refused: 'warn',
  rate_limited: 'warn',
  deliveries_dropped: 'warn',
  publications_dropped: 'warn',
  rings_evicted: 'warn',
  internal_error: 'error',
  draining: 'info',
  stopped: 'info',
  uncaught_exception: 'fatal',
} as const

export type LogEvent = keyof typeof eventLevels

/** Plain data only: a request, a connection or an error object cannot be logged by mistake. */
export type LogValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly LogValue[]
  | { readonly [key: string]: LogValue }

export type LogFields = { readonly [key: string]: LogValue }
export type LogLine = { readonly event: LogEvent } & LogFields

/** Without any for so long, a stretch is over. */
const quietMs = 10_000

/** What looks like a JWT, wherever it turns up: in an error's message, in an address. */
const tokenGrammar = /eyJ[\w-]{5,}\.[\w-]+\.[\w-]*/g

export function scrubbed(line: string): string {
  return line.replace(tokenGrammar, '[token]')
}

export class Log {
  readonly #write: (line: LogLine, level: pino.Level) => void

  /** `destination` takes whole lines; standard output if absent. */
  constructor(level: LogLevel, destination: { write(line: string): void } = standardOutput()) {
    const logger = pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      { write: (line: string) => destination.write(scrubbed(line)) },
    )
    this.#write = (line, at) => logger[at](line)
  }

  write(line: LogLine): void {
    this.#write(line, eventLevels[line.event])
  }

  /** Logs the first of a stretch, with `details`, and their number when none came for a while. */
  stretch(clock: Clock, event: LogEvent, details: () => LogFields = () => ({})): Stretch {
    return new Stretch(
      clock,
      quietMs,
      () => this.write({ event, phase: 'begin', ...details() }),
      ({ count, durationMs }) => this.write({ event, phase: 'end', count, durationMs }),
    )
  }
}

/** Synchronous: state changes are few, and the last line before an exit is the one that counts. */
function standardOutput(): { write(line: string): void } {
  return pino.destination({ fd: 1, sync: true })
}

/** What an error may say in the log. */
export function describeError(error: unknown): { message: string; stack?: string } {
  if (!(error instanceof Error)) return { message: String(error) }
  return error.stack === undefined
    ? { message: error.message }
    : { message: error.message, stack: error.stack }
}
