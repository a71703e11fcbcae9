/** Logs what overflows by looking at the counters, so that no hot path has to log. */
import type { Clock } from '../hub/clock.js'
import type { Counters } from './counters.js'
import type { Log, LogEvent } from './log.js'
import type { HubGauges } from './metrics.js'
import type { Stretch } from './stretch.js'

interface Watched {
  readonly read: () => number
  readonly stretch: Stretch
  seen: number
}

const lookMs = 1_000

/** Returns what ends it. */
export function watchOverflows(
  log: Log,
  clock: Clock,
  { refusals, deliveriesDropped }: Counters,
  hub: HubGauges,
): () => void {
  const watched: Watched[] = []
  const watch = (event: LogEvent, read: () => number): void => {
    watched.push({ read, stretch: log.stretch(clock, event), seen: read() })
  }
  watch('connections_refused', () => refusals.overloaded ?? 0)
  watch('rate_limited', () => refusals.rate_limited ?? 0)
  watch('deliveries_dropped', () =>
    Object.values(deliveriesDropped).reduce((sum, dropped) => sum + dropped, 0),
  )
  watch('publications_dropped', () => {
    const { counters, durable } = hub
    const ephemeral = counters.publicationsTooLarge + counters.publicationsBadChannel
    return ephemeral + durable.counters.tooLarge + durable.counters.unreadable
  })
  watch('rings_evicted', () => hub.rings.evictions)

  let cancel = clock.after(lookMs, look)
  function look(): void {
    for (const item of watched) {
      const now = item.read()
      if (now > item.seen) item.stretch.hit(now - item.seen)
      item.seen = now
    }
    cancel = clock.after(lookMs, look)
  }
  return () => cancel()
}
