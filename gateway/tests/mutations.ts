/** Random bytes, and valid ones with random wounds, for the fuzz tests. */
import fc from 'fast-check'

type Mutation = (bytes: Buffer) => Buffer

function placed(make: (bytes: Buffer, at: number) => Buffer): fc.Arbitrary<Mutation> {
  return fc
    .double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
    .map((place) => (bytes) => make(bytes, Math.floor(place * (bytes.length + 1))))
}

const someBytes = fc.uint8Array({ minLength: 1, maxLength: 8 })
/** What parsers trip over: lengths, controls, structure, prototypes. */
const knownTrouble = fc.constantFrom(
  ...['"', '\\', '{', '[', '}', ']', ',', ':', '\0', '\r\n', '\u{feff}', '\ud83d\ude00'],
  ...['"__proto__":{"type":"ping"},', '"constructor"', '1e999', '-0', 'null', '\\ud800'],
)
const lengthBytes = fc.constantFrom('c1', 'c7ffff', 'd4', 'dc', 'dfffffffff', 'c6ffffffff', 'ca')

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.integer({ min: 1, max: 255 }).chain((mask) =>
    placed((bytes, at) => {
      const copy = Buffer.from(bytes)
      if (at < copy.length) copy[at] = (copy[at] as number) ^ mask
      return copy
    }),
  ),
  placed((bytes, at) => bytes.subarray(0, at)),
  placed((bytes, at) => bytes.subarray(at)),
  fc.nat(8).chain((count) => placed((bytes, at) => without(bytes, at, count))),
  fc
    .nat(40)
    .chain((count) => placed((bytes, at) => insert(bytes, at, bytes.subarray(at, at + count)))),
  someBytes.chain((added) => placed((bytes, at) => insert(bytes, at, added))),
  knownTrouble.chain((text) => placed((bytes, at) => insert(bytes, at, Buffer.from(text)))),
  lengthBytes.chain((hex) => placed((bytes, at) => insert(bytes, at, Buffer.from(hex, 'hex')))),
)

function insert(bytes: Buffer, at: number, added: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)])
}

function without(bytes: Buffer, at: number, count: number): Buffer {
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)])
}

/** One of the valid ones with up to five wounds; now and then whole, now and then mere noise. */
export function wounded(valid: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const mutated = fc
    .tuple(fc.constantFrom(...valid), fc.array(mutation, { maxLength: 5 }))
    .map(([bytes, mutations]) => mutations.reduce((done, mutate) => mutate(done), bytes))
  const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
  return fc.oneof({ weight: 8, arbitrary: mutated }, { weight: 1, arbitrary: noise })
}
