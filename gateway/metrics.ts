/** The metrics of a node: the plain numbers of its hot paths, under their fixed names. */
import type { HubCounters } from '../hub/hub-counters.js'
import { transports, type Counters, type Transport } from './counters.js'
import type { DelayHistogram } from './delay-histogram.js'
import { registerHistory, type HistoryGauges } from './history-metrics.js'
import { MetricReaders, type Samples } from './metric-readers.js'
import { registerProcessMetrics } from './process-metrics.js'

/** What the metrics need of the hub. */
export interface HubGauges {
  readonly counters: Readonly<HubCounters>
  readonly rings: { readonly bytes: number; readonly count: number; readonly evictions: number }
  readonly isConnected: boolean
  readonly interestCount: number
  readonly lingeringCount: number
  readonly durable: HistoryGauges
}

export interface MetricSources {
  readonly counters: Counters
  readonly hub: HubGauges
  readonly outbox: { bytes(): number }
  readonly deliveryDelay: DelayHistogram
  readonly build: { readonly version: string; readonly engine: string }
  readonly connectionsMax: number
  readonly openFilesMax: number
}

export interface Metrics {
  readonly contentType: string
  /** The text that Prometheus reads. */
  read(): Promise<string>
  /** Stops watching the event loop. */
  close(): void
}

export function createMetrics(sources: MetricSources): Metrics {
  const metrics = new MetricReaders()
  registerTransports(metrics, sources.counters)
  registerGateway(metrics, sources)
  registerHub(metrics, sources.hub)
  registerHistory(metrics, sources.hub.durable)
  sources.deliveryDelay.register(
    metrics.registry,
    'tidegate_delivery_delay_seconds',
    'Time from the arrival of a publication from the broker to its flush to the sockets.',
  )
  const close = registerProcessMetrics(metrics, sources.openFilesMax)
  const { contentType } = metrics.registry
  return { contentType, read: () => metrics.registry.metrics(), close }
}

function registerTransports(metrics: MetricReaders, counters: Counters): void {
  const label = ['transport']
  metrics.gauges(
    'tidegate_connections',
    'Open connections; of the transport `poll`, the polls and short streams that wait.',
    label,
    () => byTransport(counters.connections),
  )
  metrics.counters(
    'tidegate_handshakes_total',
    'Handshakes, by their result.',
    ['transport', 'result'],
    () => [
      ...byTransport(counters.handshakesAccepted, { result: 'accepted' }),
      ...byTransport(counters.handshakesRefused, { result: 'refused' }),
    ],
  )
  metrics.counters(
    'tidegate_deliveries_total',
    'Publications handed to the engine, one for each connection that they went to.',
    label,
    () => byTransport(counters.deliveries),
  )
  metrics.counters(
    'tidegate_deliveries_dropped_total',
    'Publications not delivered to a connection because it was behind.',
    label,
    () => byTransport(counters.deliveriesDropped),
  )
}

function registerGateway(metrics: MetricReaders, sources: MetricSources): void {
  const { counters, build } = sources
  metrics.gauge(
    'tidegate_connections_max',
    'Connections that the node takes at most.',
    () => sources.connectionsMax,
  )
  metrics.gauge(
    'tidegate_subscriptions',
    'Subscriptions of all connections.',
    () => counters.subscriptions,
  )
  metrics.gauge('tidegate_outboxes_bytes', 'Unsent bytes of all connections.', () =>
    sources.outbox.bytes(),
  )
  metrics.counter(
    'tidegate_publications_accepted_total',
    'Publications of clients that the broker took.',
    () => counters.publicationsAccepted,
  )
  metrics.counter(
    'tidegate_expirations_total',
    'Connections that ended because their token expired.',
    () => counters.expirations,
  )
  metrics.counter(
    'tidegate_internal_errors_total',
    'Exceptions caught at the top of an engine callback; each is a bug.',
    () => counters.internalErrors,
  )
  metrics.counter(
    'tidegate_frames_received_total',
    'Frames of clients.',
    () => counters.framesReceived,
  )
  metrics.counters('tidegate_refusals_total', 'Refusals, by their code.', ['code'], () =>
    by('code', counters.refusals),
  )
  metrics.counters('tidegate_gaps_total', 'Gaps told to clients.', ['reason'], () =>
    by('reason', counters.gaps),
  )
  metrics.gauges(
    'tidegate_build_info',
    'What runs; always 1.',
    ['version', 'engine', 'node'],
    () => [[{ ...build, node: process.versions.node }, 1]],
  )
}

function registerHub(metrics: MetricReaders, hub: HubGauges): void {
  metrics.gauge('tidegate_broker_connected', 'Whether the broker is there: 1 or 0.', () =>
    hub.isConnected ? 1 : 0,
  )
  metrics.gauge(
    'tidegate_channels',
    'Channels and patterns with interest, lingering ones included.',
    () => hub.interestCount,
  )
  metrics.gauge(
    'tidegate_lingering_channels',
    'Channels and patterns that are kept without a subscriber.',
    () => hub.lingeringCount,
  )
  metrics.gauge('tidegate_rings', 'Rings of recent publications.', () => hub.rings.count)
  metrics.gauge('tidegate_rings_bytes', 'Bytes of all rings.', () => hub.rings.bytes)
  metrics.counter(
    'tidegate_ring_evictions_total',
    'Rings dropped for want of room.',
    () => hub.rings.evictions,
  )
  metrics.counter(
    'tidegate_publications_received_total',
    'Publications received from the broker.',
    () => hub.counters.publicationsReceived + hub.durable.counters.received,
  )
  metrics.counters(
    'tidegate_publications_dropped_total',
    'Publications from the broker that were not delivered to anybody.',
    ['reason'],
    () => [
      [{ reason: 'too_large' }, hub.counters.publicationsTooLarge + hub.durable.counters.tooLarge],
      [{ reason: 'bad_channel' }, hub.counters.publicationsBadChannel],
      [{ reason: 'unreadable' }, hub.durable.counters.unreadable],
    ],
  )
}

function byTransport(
  numbers: Readonly<Record<Transport, number>>,
  labels: Readonly<Record<string, string>> = {},
): [Readonly<Record<string, string>>, number][] {
  return transports.map((transport) => [{ transport, ...labels }, numbers[transport]])
}

function by(label: string, numbers: Readonly<Partial<Record<string, number>>>): Samples {
  return Object.entries(numbers).map(([key, value]) => [{ [label]: key }, value ?? 0])
}
