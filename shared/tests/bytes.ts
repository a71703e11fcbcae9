/** Literal bytes for tests: text and hex. */

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

/** Hex digits, spaces between them as they please. */
export function hex(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits.replaceAll(/\s/g, ''), 'hex'))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** The bytes with those at the given places replaced, as a broken or hostile peer does it. */
export function mutate(
  bytes: Uint8Array,
  changes: readonly (readonly [number, number])[],
): Uint8Array {
  const mutated = bytes.slice()
  for (const [at, value] of changes) mutated[at % mutated.length] = value
  return mutated
}
