/** CRC-32 as gzip has it (RFC 1952, section 8), by half bytes: for the few bytes of a cursor. */

const polynomial = 0xedb88320
const table = Array.from({ length: 16 }, (_, half) => {
  let crc = half
  for (let bit = 0; bit < 4; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0)
  return crc
})

export function crc32(bytes: ArrayLike<number>): number {
  let crc = 0xffffffff
  for (let at = 0; at < bytes.length; at += 1) {
    crc ^= bytes[at] as number
    crc = (crc >>> 4) ^ (table[crc & 15] as number)
    crc = (crc >>> 4) ^ (table[crc & 15] as number)
  }
  return ~crc >>> 0
}
