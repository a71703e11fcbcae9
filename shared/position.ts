/** A place in the history of a channel: what a client shows to go on (PROTOCOL 14). */

/** Offsets rise within one epoch, with holes. Offsets of two epochs do not compare. */
export interface Position {
  /** The identity of the history: 12 lowercase hex digits. */
  readonly epoch: string
  /** Of the last publication that was got, or where the subscription began. */
  readonly offset: number
  /**
   * Of the publication at `offset`, in ms since 1970; below 65,536 it is only its lowest 16 bits,
   * which is what a cursor has room for. Absent: no publication was got there.
   */
  readonly time?: number
  /** Everything up to here has been got: the newest verified offset that was told. */
  readonly verified?: number
}

export const timeTagModulus = 65_536
const epochGrammar = /^[0-9a-f]{12}$/

export function isEpoch(text: unknown): text is string {
  return typeof text === 'string' && epochGrammar.test(text)
}

export function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Whether `shown` can be the time of a publication that is kept with `time`. */
export function isSameTime(shown: number, time: number): boolean {
  return shown < timeTagModulus ? shown === time % timeTagModulus : shown === time
}

/** Of a pattern: no publication of one channel proves anything of another. */
export function withoutTime({ epoch, offset, verified }: Position): Position {
  return verified === undefined ? { epoch, offset } : { epoch, offset, verified }
}
