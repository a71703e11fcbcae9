/** CRC-32 as gzip has it (RFC 1952, section 8): bit by bit, for the few bytes of a cursor. */

const polynomial = 0xedb88320

export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0)
  }
  return ~crc >>> 0
}
