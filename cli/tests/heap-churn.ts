/** Pages under churn, one for each transport, and how much of their heaps stays. */
import type { Browser } from 'playwright-core'
import type { TestScope } from '../../hub/tests/nats-server.js'
import type { PageClient } from './audited-client.js'
import { scriptHeapBytes } from './heap-snapshot.js'
import { SdkScene } from './sdk-scene.js'

export interface HeapGrowth {
  readonly transport: string
  readonly rounds: number
  readonly samples: readonly number[]
  /** The median of the first and of the last third of the samples. */
  readonly startBytes: number
  readonly endBytes: number
  /** Of the line through all samples. */
  readonly bytesPerMinute: number
}

export interface ChurnOptions {
  readonly warmUpSeconds: number
  readonly seconds: number
  readonly samples: number
  /** The connections are cut so often. */
  readonly cutSeconds: number
}

class ChurningPage {
  readonly client: PageClient
  readonly samples: number[] = []
  rounds = 0

  constructor(client: PageClient) {
    this.client = client
  }

  /** Rounds until then; no two pages have one in common. */
  async churnUntil(end: number): Promise<void> {
    while (performance.now() < end) {
      await this.client.churn(this.rounds)
      this.rounds += 1
    }
  }

  /** What the page has recorded is no part of the SDK. */
  async sample(): Promise<void> {
    await this.client.refresh()
    this.client.events.length = 0
    this.samples.push(await scriptHeapBytes(this.client.devTools))
  }

  growth(seconds: number): HeapGrowth {
    const { samples, rounds, client } = this
    const third = Math.ceil(samples.length / 3)
    return {
      ...{ transport: client.subscriber, rounds, samples },
      startBytes: median(samples.slice(0, third)),
      endBytes: median(samples.slice(-third)),
      bytesPerMinute: (slope(samples) * (samples.length - 1) * 60) / seconds,
    }
  }
}

/** Subscriptions, loops, publications, clients that are closed, and connections that are cut. */
export async function measureHeaps(
  scope: TestScope,
  browser: Browser,
  { warmUpSeconds, seconds, samples, cutSeconds }: ChurnOptions,
): Promise<readonly HeapGrowth[]> {
  const scene = await SdkScene.start(scope)
  const clients = await scene.pages(browser, { isInHaste: true })
  const pages = clients.map((client) => new ChurningPage(client))
  scene.publish()
  const cutting = setInterval(() => scene.box.cut(), cutSeconds * 1000)
  scope.after(() => clearInterval(cutting))
  const churnFor = (ms: number): Promise<unknown> => {
    const end = performance.now() + ms
    return Promise.all(pages.map((page) => page.churnUntil(end)))
  }
  await churnFor(warmUpSeconds * 1000)
  for (let taken = 0; taken < samples; taken += 1) {
    if (taken > 0) await churnFor((seconds * 1000) / (samples - 1))
    for (const page of pages) await page.sample()
  }
  clearInterval(cutting)
  await scene.stop()
  return pages.map((page) => page.growth(seconds))
}

export function describeGrowth(growth: HeapGrowth): string {
  const kb = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KB`
  const { transport, rounds, startBytes, endBytes, bytesPerMinute } = growth
  const ends = `from ${kb(startBytes)} to ${kb(endBytes)}`
  return `${transport}: ${rounds} rounds, ${ends}, ${kb(bytesPerMinute)} a minute`
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

/** By least squares, for each step from one to the next. */
function slope(numbers: readonly number[]): number {
  const meanAt = (numbers.length - 1) / 2
  const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length
  let [covariance, variance] = [0, 0]
  for (const [at, each] of numbers.entries()) {
    covariance += (at - meanAt) * (each - mean)
    variance += (at - meanAt) ** 2
  }
  return covariance / variance
}
