/** The payload of a benchmark's publication: JSON of a chosen size that says when it was sent. */

const digits = 16
const marker = Buffer.from('"sent":"')
const shell = '{"fill":"","sent":""}'.length + digits

/** CLOCK_MONOTONIC in µs: the same clock for every process of the machine. */
export function nowMicros(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1_000_000 + Math.floor(nanoseconds / 1000)
}

export function stampedPayload(bytes: number, micros: number): Buffer {
  if (bytes < shell) throw new Error(`a payload needs ${shell} bytes, not ${bytes}`)
  const fill = 'x'.repeat(bytes - shell)
  return Buffer.from(`{"fill":"${fill}","sent":"${String(micros).padStart(digits, '0')}"}`)
}

/** The stamp of a frame that carries such a payload; undefined if there is none in it. */
export function readStamp(bytes: Buffer, start: number, end: number): number | undefined {
  const at = bytes.indexOf(marker, start)
  if (at === -1 || at + marker.length + digits > end) return undefined
  let micros = 0
  for (let place = at + marker.length; place < at + marker.length + digits; place += 1) {
    micros = micros * 10 + ((bytes[place] as number) - 48)
  }
  return micros
}
