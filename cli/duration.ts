/** A duration as people write it: `30s`, `10m`, `1h`. */

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }

/** Undefined: it is none, or not a positive one. */
export function parseSeconds(text: string): number | undefined {
  const match = /^([1-9]\d{0,6})([smh])$/.exec(text)
  return match === null ? undefined : Number(match[1]) * (seconds[match[2] as string] as number)
}
