/** The lab of a run: both servers and their load clients, new for each measurement. */
import { startBareEngine, type BareTarget } from './bare-target.js'
import type { Children } from './children.js'
import { Fleet } from './fleet.js'
import { startGateway } from './gateway-target.js'
import type { Lab, Side, Sides } from './measurement.js'
import type { Publisher } from './publisher.js'
import type { Sizes } from './sizes.js'
import type { StartOptions, Target } from './target.js'

export interface LabOptions {
  readonly children: Children
  readonly natsUrl: string
  readonly publisher: Publisher
  readonly sizes: Sizes
  readonly isCalibration: boolean
  readonly progress: (text: string) => void
}

export class SideBySide implements Lab {
  readonly sizes: Sizes
  readonly publisher: Publisher
  readonly children: Children
  readonly notes: string[] = []
  /** Package and binary of the bare engine, once it has been started. */
  engine = ''
  readonly #options: LabOptions

  constructor(options: LabOptions) {
    this.#options = options
    this.sizes = options.sizes
    this.publisher = options.publisher
    this.children = options.children
  }

  progress(text: string): void {
    this.#options.progress(text)
  }

  note(text: string): void {
    this.notes.push(text)
  }

  /** After a failure nothing is ended here: the run is over, and its children end with it. */
  async withSides<T>(
    sockets: number,
    nodeFlags: readonly string[],
    run: (sides: Sides) => Promise<T>,
  ): Promise<T> {
    const { children, natsUrl } = this.#options
    const [first, second] = await this.#startTargets({ children, natsUrl, nodeFlags })
    this.engine = second.build
    const gateway = { target: first, fleet: new Fleet(children, sockets) }
    const bare = { target: second, fleet: new Fleet(children, sockets) }
    const result = await run({ gateway, bare })
    await Promise.all([end(gateway), end(bare)])
    return result
  }

  #startTargets(options: StartOptions): Promise<[Target, BareTarget]> {
    const first = this.#options.isCalibration
      ? startBareEngine(options, 'second engine')
      : startGateway(options)
    return Promise.all([first, startBareEngine(options)])
  }
}

/** The clients first: a server that has no connections leaves at once. */
async function end(side: Side): Promise<void> {
  await side.fleet.stop()
  await side.target.stop()
}
