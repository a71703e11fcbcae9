/** A client that keeps its position in one channel or pattern as PROTOCOL 14.2 says. */
import assert from 'node:assert/strict'
import { encodeCursor } from '../../shared/cursor.js'
import { cursorOf } from '../../shared/cursor-positions.js'
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
  /** What it shows while it knows no position; it never looks into it. */
  #cursor: string | undefined = undefined
  readonly #isPattern: boolean
  /** Where live begins, while what comes before it is on its way. */
  #live: Required<KeptPosition> | undefined = undefined
  readonly #newest = new Map<string, number>()

  constructor(name: string) {
    this.name = name
    this.#isPattern = name.includes('*')
  }

  get shown(): KeptPosition | string | undefined {
    return this.#cursor ?? this.position
  }

  /** From now on it knows no more than one that comes from an event stream or a poll. */
  forget(): void {
    if (this.position === undefined) return
    this.#cursor = encodeCursor(cursorOf([{ name: this.name, position: this.position }]))
    this.position = undefined
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
    if (this.shown === undefined) {
      this.position = { epoch, offset, ...(time !== undefined && { time }), verified }
      return
    }
    assert.equal(frame['recovered'], true, JSON.stringify([this.shown, frame]))
    this.#live = { epoch, offset, time, verified }
    if (this.position !== undefined) this.#arrived(this.position.offset)
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
    if (this.position === undefined) this.#learn(offset, time)
    else if (!this.#isPattern) {
      this.position.offset = offset
      this.position.time = time
    }
    this.#arrived(offset)
  }

  /** A publication says where it is; in a pattern the first that lies beyond the history does. */
  #learn(offset: number, time: number): void {
    assert.ok(this.#live !== undefined, 'a publication before subscribed')
    const { epoch, offset: begun } = this.#live
    if (this.#isPattern && offset <= begun) return
    this.position = this.#isPattern ? { epoch, offset: begun } : { epoch, offset, time }
    this.#cursor = undefined
  }

  #heartbeat(frame: ReceivedFrame): void {
    const verified = frame['verified'] as
      Record<string, { readonly epoch: string; readonly offset: number }> | undefined
    const told = verified?.['orders']
    const live = this.#live
    if (this.#cursor !== undefined && live !== undefined && told?.epoch === live.epoch) {
      if (told.offset < live.offset) return
      const { epoch, offset, time } = live
      this.position = { epoch, offset, ...(time !== undefined && { time }) }
      this.#cursor = undefined
      this.#arrived(offset)
    }
    if (told !== undefined && told.epoch === this.position?.epoch) this.#raise(told.offset)
  }

  /** What was to come before live has come. */
  #arrived(offset: number): void {
    if (this.position === undefined) return
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
