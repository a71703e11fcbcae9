/** What a node tells the log of its parts: settings, broker, keys, bugs. */
import { describeConfig, type Config, type LoadedConfig } from '../gateway/config.js'
import type { Counters } from '../gateway/counters.js'
import type { EngineVerdict } from '../gateway/engine.js'
import { readFileLimit } from '../gateway/file-limit.js'
import type { OnKeyEvent } from '../gateway/jwks-source.js'
import { describeError, type Log, type LogFields } from '../gateway/log.js'
import type { BrokerEvent } from '../hub/broker.js'
import type { Clock } from '../hub/clock.js'
import type { DurableOptions } from '../hub/durable-namespaces.js'
import { readVersion } from './version.js'

type LoadedEngine = Extract<EngineVerdict, { ok: true }>

export function logStarting(log: Log, loaded: LoadedConfig, engine: LoadedEngine): void {
  const limit = readFileLimit()
  log.write({
    event: 'starting',
    version: readVersion(),
    nodeVersion: process.versions.node,
    engine: engine.build,
    engineLacks: engine.lacks,
    enginePassedOver: engine.passedOver,
    openFilesMax: limit.openFilesMax,
    openFilesMaxIsKnown: limit.isKnown,
    settings: describeConfig(loaded) as LogFields,
  })
}

export function brokerEventLog(log: Log, config: Config): (event: BrokerEvent) => void {
  // The broker in memory is always there: it has nothing to tell.
  if (config.natsUrls.length === 0) return () => {}
  return (event) => {
    const { type, ...fields } = event
    log.write({ event: `nats_${type}`, ...fields })
  }
}

export function historyEventLog(log: Log): DurableOptions['onEvent'] {
  return (event) => {
    if (event.type === 'long_scan') {
      const { type, ...fields } = event
      return log.write({ event: type, ...fields })
    }
    const { type, ...fields } = event
    log.write({ event: `history_${type}`, ...fields })
  }
}

export function keyEventLog(log: Log): OnKeyEvent {
  return (event) => {
    const { type, ...fields } = event
    log.write({ event: type, ...fields })
  }
}

/** Each is a bug, and may come with every request: the first of a stretch is told in full. */
export function internalErrorLog(
  log: Log,
  clock: Clock,
  counters: Counters,
): (error: unknown) => void {
  let last: unknown
  const stretch = log.stretch(clock, 'internal_error', () => ({ ...describeError(last) }))
  return (error) => {
    counters.internalErrors += 1
    last = error
    stretch.hit()
  }
}
