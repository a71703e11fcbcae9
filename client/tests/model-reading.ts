/** What a model gateway says of one name, and where whoever has heard it stands. */
import type { GapFrame, PublicationFrame } from '../../shared/frames.js'
import type { Position } from '../../shared/position.js'

/** Where an ephemeral name is: on which node's memory, after which arrival. */
export interface RingPlace {
  readonly node: string
  readonly arrival: number
}

export type ModelPlace = Position | RingPlace

export interface Said {
  readonly frame: PublicationFrame | GapFrame | { readonly type: 'ended'; readonly channel: string }
  /** Where whoever has had it stands. */
  readonly at: ModelPlace
}

export interface Reading {
  readonly said: readonly Said[]
  /** Whether everything after the place follows. */
  readonly isRecovered: boolean
  /** After all of it. */
  readonly at: ModelPlace
}

/** A history, or the memory of a node. */
export interface Source {
  /** Where live is. */
  live(name: string): ModelPlace
  /** What came after a place: at most `max` publications before a gap. */
  read(name: string, from: ModelPlace, max: number): Reading
}

export function isPosition(place: ModelPlace | undefined): place is Position {
  return place !== undefined && 'epoch' in place
}

export function durableNamespace(name: string): boolean {
  return /^(orders|docs)\./.test(name)
}
