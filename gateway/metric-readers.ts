/** Metrics that hold no number of their own: they read one when they are scraped. */
import { Counter, Gauge, Registry } from 'prom-client'

export type Labels = Readonly<Record<string, string>>
export type Samples = Iterable<readonly [Labels, number]>

export class MetricReaders {
  readonly registry: Registry = new Registry()

  gauge(name: string, help: string, read: () => number): void {
    this.gauges(name, help, [], () => [[{}, read()]])
  }

  /** For a number that rises elsewhere, and starts at 0 with the process. */
  counter(name: string, help: string, read: () => number): void {
    this.counters(name, help, [], () => [[{}, read()]])
  }

  gauges(name: string, help: string, labelNames: readonly string[], read: () => Samples): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [labels, value] of read()) this.set(labels, value)
      },
    })
  }

  counters(name: string, help: string, labelNames: readonly string[], read: () => Samples): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [labels, value] of read()) this.inc(labels, value)
      },
    })
  }
}
