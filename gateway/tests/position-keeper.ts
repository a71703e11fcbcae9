/** A client that keeps its position in one channel or pattern as PROTOCOL 14.2 says. */
import assert from 'node:assert/strict'
import type { ReceivedFrame } from './websocket-client.js'

interface KeptPosition {
  readonly epoch: string
  offset: number
  time?: number
  verified?: number
}

export class PositionKeeper {
  readonly name: string
  /** What it was given, each once, by channel and in the order in which it came. */
  readonly got: Map<string, unknown[]> = new Map()
  readonly gaps: ReceivedFrame[] = []
  /** What came again, of a pattern that resumed. */
  repeated = 0
  position: KeptPosition | undefined = undefined
  readonly #isPattern: boolean
  /** Where live begins, while what comes before it is on its way. */
  #live: { readonly offset: number; readonly verified: number } | undefined = undefined
  readonly #newest = new Map<string, number>()

  constructor(name: string) {
    this.name = name
    this.#isPattern = name.includes('*')
  }

  frame(frame: ReceivedFrame): void {
    switch (frame.type) {
      case 'subscribed':
        return this.#subscribed(frame)
      case 'publication':
        return this.#publication(frame)
      case 'heartbeat':
        return this.#heartbeat(frame)
      case 'gap':
        this.gaps.push(frame)
    }
  }

  #subscribed(frame: ReceivedFrame): void {
    const { epoch, offset, time, verified } = frame as unknown as Required<KeptPosition>
    if (this.position === undefined) {
      this.position = { epoch, offset, ...(time !== undefined && { time }), verified }
      return
    }
    assert.equal(frame['recovered'], true, JSON.stringify([this.position, frame]))
    this.#live = { offset, verified }
    this.#arrived(this.position.offset)
  }

  #publication(frame: ReceivedFrame): void {
    const {
      channel = '',
      data,
      offset,
      previous,
      time,
    } = frame as ReceivedFrame & {
      readonly offset: number
      readonly previous?: number
      readonly time: number
    }
    const newest = this.#newest.get(channel) ?? 0
    if (offset <= newest) {
      assert.ok(this.#isPattern, `${channel} ${offset} came twice`)
      this.repeated += 1
      return
    }
    if (previous !== undefined) assert.ok(previous <= newest, `${channel}: lost after ${newest}`)
    this.#newest.set(channel, offset)
    this.got.set(channel, [...(this.got.get(channel) ?? []), data])
    if (this.position !== undefined && !this.#isPattern) {
      this.position.offset = offset
      this.position.time = time
    }
    this.#arrived(offset)
  }

  #heartbeat(frame: ReceivedFrame): void {
    const verified = frame['verified'] as
      Record<string, { readonly epoch: string; readonly offset: number }> | undefined
    const told = verified?.['orders']
    if (told !== undefined && told.epoch === this.position?.epoch) this.#raise(told.offset)
  }

  /** What was to come before live has come. */
  #arrived(offset: number): void {
    if (this.#live === undefined || offset < this.#live.offset) return
    const { verified } = this.#live
    this.#live = undefined
    this.#raise(verified)
  }

  #raise(verified: number): void {
    if (this.position === undefined) return
    this.position.verified = Math.max(this.position.verified ?? 0, verified)
    if (this.#isPattern) this.position.offset = Math.max(this.position.offset, verified)
  }
}
