/** The metrics of durable channels: histories, recoveries, repairs, verified offsets. */
import type { DurableCounters } from '../hub/durable-counters.js'
import type { RecoveryCounters } from '../hub/recovery-counters.js'
import type { Labels, MetricReaders, Samples } from './metric-readers.js'

/** What the metrics need of the hub's durable namespaces. */
export interface HistoryGauges {
  readonly counters: Readonly<DurableCounters>
  /** What recoveries hold. */
  readonly budget: { readonly bytes: number }
  readonly all: Iterable<NamespaceGauges>
  readonly planners: Iterable<readonly [string, { readonly counters: RecoveryCounters }]>
}

export interface NamespaceGauges {
  readonly name: string
  readonly isAvailable: boolean
  readonly verified: number
}

export function registerHistory(metrics: MetricReaders, history: HistoryGauges): void {
  const { counters } = history
  const ofNamespace = (read: (namespace: NamespaceGauges) => number): Samples =>
    [...history.all].map((namespace) => [{ namespace: namespace.name }, read(namespace)])
  metrics.gauges(
    'tidegate_history_available',
    'Whether the history of a durable namespace can be read: 1 or 0.',
    ['namespace'],
    () => ofNamespace(({ isAvailable }) => (isAvailable ? 1 : 0)),
  )
  metrics.gauges(
    'tidegate_verified_offset',
    'Offset up to which everything has been delivered in every channel of a namespace.',
    ['namespace'],
    () => ofNamespace(({ verified }) => verified),
  )
  metrics.gauge(
    'tidegate_recoveries_bytes',
    'Payload bytes that were read for recoveries and not delivered yet.',
    () => history.budget.bytes,
  )
  metrics.counters(
    'tidegate_recoveries_total',
    'Positions that were shown or fallen behind, by what became of them and what was read.',
    ['result', 'source'],
    () =>
      Object.entries(counters.recoveries).flatMap(([result, sources]) =>
        Object.entries(sources).map(([source, count]) => [{ result, source }, count] as const),
      ),
  )
  metrics.counter(
    'tidegate_publications_duplicate_total',
    'Publications of durable channels that came more than once and were delivered once.',
    () => counters.duplicates,
  )
  metrics.counter(
    'tidegate_repairs_total',
    'Channels read again to verify them, or because something was missing.',
    () => counters.repairs,
  )
  metrics.counter(
    'tidegate_publications_repaired_total',
    'Publications that came by such a repair and not live.',
    () => counters.repaired,
  )
  metrics.counter(
    'tidegate_verifications_total',
    'Completed looks at all channels of a namespace; each moves its verified offset.',
    () => counters.verifications,
  )
  metrics.counter(
    'tidegate_new_epochs_total',
    'Histories that turned out to be others than they were.',
    () => counters.newEpochs,
  )
  registerPlanners(metrics, history)
}

function registerPlanners(metrics: MetricReaders, { planners }: HistoryGauges): void {
  const ofPlanner = (
    read: (counters: RecoveryCounters) => readonly (readonly [Labels, number])[],
  ): Samples =>
    [...planners].flatMap(([namespace, { counters }]) =>
      read(counters).map(([labels, value]) => [{ namespace, ...labels }, value] as const),
    )
  metrics.counters(
    'tidegate_recovery_reads_total',
    'Channels screened, pages of single ones, scans of all, and requests that joined a scan.',
    ['namespace', 'choice'],
    () =>
      ofPlanner(({ screened, singleReads, scans, joined }) => [
        [{ choice: 'screen' }, screened],
        [{ choice: 'single' }, singleReads],
        [{ choice: 'scan' }, scans],
        [{ choice: 'joined' }, joined],
      ]),
  )
  metrics.counters(
    'tidegate_recovery_scanned_publications_total',
    'Publications that scans of a history came past.',
    ['namespace'],
    () => ofPlanner(({ scannedPublications }) => [[{}, scannedPublications]]),
  )
  metrics.counters(
    'tidegate_recovery_retries_total',
    'Requests to a history asked again, for want of an answer or of one that is recent.',
    ['namespace'],
    () => ofPlanner(({ retries }) => [[{}, retries]]),
  )
  metrics.counters(
    'tidegate_recovery_failures_total',
    'Requests to a history that were given up, by why.',
    ['namespace', 'reason'],
    () =>
      ofPlanner(({ unavailable, overloaded }) => [
        [{ reason: 'unavailable' }, unavailable],
        [{ reason: 'overloaded' }, overloaded],
      ]),
  )
}
