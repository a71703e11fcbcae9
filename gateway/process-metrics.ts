/** What the process itself costs, under the names that Prometheus' clients agree on. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { MetricReaders } from './metric-readers.js'

const loopResolutionMs = 10

/** Returns what stops watching the event loop. */
export function registerProcessMetrics(metrics: MetricReaders, openFilesMax: number): () => void {
  metrics.counter(
    'process_cpu_seconds_total',
    'User and system CPU time spent.',
    () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6,
  )
  metrics.gauge('process_resident_memory_bytes', 'Resident memory size.', () =>
    process.memoryUsage.rss(),
  )
  const startedAt = performance.timeOrigin / 1e3
  metrics.gauge(
    'process_start_time_seconds',
    'Start time of the process since 1970.',
    () => startedAt,
  )
  metrics.gauge('process_max_fds', 'Most files that may be open.', () => openFilesMax)
  metrics.gauge(
    'nodejs_heap_size_used_bytes',
    'Heap of JavaScript in use.',
    () => process.memoryUsage().heapUsed,
  )
  metrics.gauge(
    'nodejs_external_memory_bytes',
    'Memory of buffers outside of the heap.',
    () => process.memoryUsage().external,
  )
  return registerLoopDelay(metrics)
}

/** A gauge of quantiles since the scrape before: the histogram is emptied by each. */
function registerLoopDelay(metrics: MetricReaders): () => void {
  const delay = monitorEventLoopDelay({ resolution: loopResolutionMs })
  delay.enable()
  // The timer's own interval is in what is recorded.
  const seconds = (nanoseconds: number): number =>
    Math.max(0, nanoseconds / 1e6 - loopResolutionMs) / 1e3 || 0
  metrics.gauges(
    'tidegate_event_loop_delay_seconds',
    'How late the event loop was since the last scrape; quantile 1 is the longest.',
    ['quantile'],
    () => {
      const samples = [
        [{ quantile: '0.5' }, seconds(delay.percentile(50))],
        [{ quantile: '0.99' }, seconds(delay.percentile(99))],
        [{ quantile: '1' }, seconds(delay.max)],
      ] as const
      delay.reset()
      return samples
    },
  )
  return () => void delay.disable()
}
