/** How long publications took from the broker to the flush: plain buckets, one metric. */
import { Histogram, type Registry } from 'prom-client'

const boundsMs = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000] as const

export class DelayHistogram {
  /** How many were at or below the bound of the same index, and above the one before. */
  readonly #counts = new Float64Array(boundsMs.length + 1)
  #sumMs = 0

  /** Once a publication or a tick, never once a delivery: `count` publications of one delay. */
  observe(ms: number, count = 1): void {
    let at = 0
    while (at < boundsMs.length && ms > (boundsMs[at] as number)) at += 1
    this.#counts[at] = (this.#counts[at] as number) + count
    this.#sumMs += ms * count
  }

  register(registry: Registry, name: string, help: string): void {
    registry.registerMetric(new DelayMetric(name, help, () => this.#samples(name)))
  }

  /** In seconds, and each bucket with all below it: as Prometheus has it. */
  #samples(name: string): Sample[] {
    const samples: Sample[] = []
    let count = 0
    for (const [at, own] of this.#counts.entries()) {
      count += own
      const boundMs = boundsMs[at]
      const le = boundMs === undefined ? '+Inf' : boundMs / 1_000
      samples.push({ metricName: `${name}_bucket`, labels: { le }, value: count })
    }
    samples.push({ metricName: `${name}_sum`, labels: {}, value: this.#sumMs / 1_000 })
    samples.push({ metricName: `${name}_count`, labels: {}, value: count })
    return samples
  }
}

type Read = Awaited<ReturnType<Histogram['get']>>
type Sample = Read['values'][number]

/** prom-client's own can only be filled value by value. */
class DelayMetric extends Histogram {
  readonly #name: string
  readonly #help: string
  readonly #samples: () => Sample[]

  constructor(name: string, help: string, samples: () => Sample[]) {
    super({ name, help, registers: [] })
    this.#name = name
    this.#help = help
    this.#samples = samples
  }

  override async get(): Promise<Read> {
    const values = this.#samples()
    const collect = (): void => {}
    // The package's types have a number where its code has this word.
    const type = 'histogram' as unknown as Read['type']
    return { name: this.#name, help: this.#help, type, values, aggregator: 'sum', collect }
  }

  /** What the registry calls for the text form; it is missing in the package's types. */
  getForPromString(): Promise<Read> {
    return this.get()
  }
}
