/** What metrics read of durable namespaces where there are none that do anything. */
import { DurableCounters } from '../../hub/durable-counters.js'
import type { HistoryGauges } from '../history-metrics.js'

export function idleHistory(more: Partial<HistoryGauges> = {}): HistoryGauges {
  return { counters: new DurableCounters(), budget: { bytes: 0 }, all: [], planners: [], ...more }
}
