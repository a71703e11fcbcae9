/** The store time of a publication: whole ms here, RFC 3339 with nanoseconds in NATS. */

/** Undefined: it is no time. What is below a millisecond is cut off. */
export function timeOfStamp(stamp: string | undefined): number | undefined {
  const time = stamp === undefined ? NaN : Date.parse(stamp)
  return Number.isNaN(time) ? undefined : time
}

export function stampOfTime(time: number): string {
  return new Date(time).toISOString().replace('Z', '000000Z')
}
