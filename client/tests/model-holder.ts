/** One holder of a channel in the model's application: what it hears, as it hears it. */
import type { Channel } from '../channel.js'
import type { WhenFull } from '../publication-buffer.js'
import type { Tidegate } from '../tidegate.js'
import type { Heard, Witness } from './model-judge.js'
import type { Truth } from './model-truth.js'

export type HolderKind = 'listener' | WhenFull

const bufferMax = 2

export class ModelHolder {
  readonly name: string
  readonly kind: HolderKind
  readonly heard: Heard[] = []
  readonly #truth: Truth
  #channel: Channel | undefined
  isClosed = false
  /** What a slow loop may read yet. */
  #permits = 0
  #wake: () => void = () => undefined

  constructor(name: string, kind: HolderKind, truth: Truth) {
    this.name = name
    this.kind = kind
    this.#truth = truth
  }

  hold(tidegate: Tidegate): void {
    const channel = tidegate.channel(this.name)
    this.#channel = channel
    const moment = (): number => this.#truth.moment()
    const isMine = (): boolean => this.#channel === channel
    for (const type of ['subscribed', 'ended'] as const) {
      channel.on(type, () => {
        if (isMine()) this.heard.push({ moment: moment(), type })
      })
    }
    channel.on('gap', (gap) => {
      if (isMine()) this.heard.push({ moment: moment(), type: 'gap', gap })
    })
    if (this.kind !== 'listener') return void this.#read(channel)
    channel.on('publication', ({ publication }) => {
      this.heard.push({ moment: moment(), type: 'publication', publication })
    })
  }

  /** Another client takes it over. */
  renew(isExact: boolean, isKept: boolean): void {
    this.heard.push({ moment: this.#truth.moment(), type: 'renewed', isExact, isKept })
  }

  release(): void {
    this.isClosed = true
    this.#channel?.close()
  }

  permit(count: number): void {
    this.#permits += count
    this.#wake()
  }

  witness(beginsWithNewest: boolean): Witness {
    const isLossy = this.kind === 'latest'
    const isLoop = this.kind !== 'listener'
    const isHeld = !this.isClosed && !this.hasEnded
    return { name: this.name, isLossy, isLoop, beginsWithNewest, heard: this.heard, isHeld }
  }

  /** Nothing more is to come; a loop is over then, even if somebody takes the end back. */
  get hasEnded(): boolean {
    const at = this.heard.findLastIndex(({ type }) => type === 'ended')
    const isOver = ({ type }: Heard): boolean =>
      type === 'gap' || (this.kind !== 'listener' && type !== 'renewed')
    return at >= 0 && this.heard.slice(at + 1).every(isOver)
  }

  async #read(channel: Channel): Promise<void> {
    const whenFull = this.kind as WhenFull
    try {
      for await (const publication of channel.read({ bufferMax, whenFull })) {
        if (this.#channel !== channel || this.isClosed) return
        this.heard.push({ moment: this.#truth.moment(), type: 'publication', publication })
        while (this.#permits === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
        this.#permits -= 1
      }
    } catch {
      // It was closed for good: the end of the schedule sees that.
    }
  }
}
