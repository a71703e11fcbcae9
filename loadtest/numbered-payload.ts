/** Payloads that say which publication they are, so that a subscriber can be audited. */

/** JSON; `number` counts the publications of the channel from 1. */
export function numberedPayload(channel: string, number: number): string {
  return JSON.stringify({ channel, number })
}

/** Undefined for what `numberedPayload` did not make for this channel. */
export function numberIn(data: unknown, channel: string): number | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { channel: named, number } = data as Readonly<Record<string, unknown>>
  if (named !== channel || !Number.isSafeInteger(number)) return undefined
  return number as number
}
