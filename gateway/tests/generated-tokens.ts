/** Tokens of every kind for fast-check: valid, expired, malformed, forged, and mutated. */
import fc from 'fast-check'
import { algorithms, type Algorithm } from '../jws-algorithm.js'
import { pemOf, signInput, type Signing, type TestKey } from './test-keys.js'
import { encodeSegment, signHmac } from './tokens.js'

/** The options of jwtVerify that we have, too. */
export interface Rules {
  readonly audience?: string
  readonly issuer?: string
  readonly clockTolerance: number
}

export interface GeneratedToken {
  readonly token: string
  readonly signing: Signing
  readonly rules: Rules
}

export const nowSeconds = 1_800_000_000

/** With `kids`, half of the headers have one. */
export function generatedTokens(
  keys: readonly TestKey[],
  kids: readonly unknown[] = ['a', 1],
): fc.Arbitrary<GeneratedToken> {
  const signings = keys.flatMap((key) => key.algorithms.map((algorithm) => ({ key, algorithm })))
  return fc
    .record({
      signing: fc.constantFrom(...signings),
      rules,
      header: seldom(headers(kids), plainHeaders(kids)),
      payload: seldom(payloads, goodPayloads),
      mangleHeader: seldom(mangles, fc.constant(asIs)),
      manglePayload: seldom(mangles, fc.constant(asIs)),
      forge: seldom(forgeries, fc.constant(properlySigned)),
      mutate: seldom(mutations, fc.constant(asIs)),
    })
    .map(({ signing, rules, header, payload, mangleHeader, manglePayload, forge, mutate }) => {
      const headerText = header(signing.algorithm)
      const protectedHeader = mangleHeader(encodeSegment(headerText))
      const input = `${protectedHeader}.${manglePayload(encodeSegment(payload))}`
      return { token: mutate(`${input}.${forge(input, signing)}`), signing, rules }
    })
}

function seldom<T>(rare: fc.Arbitrary<T>, usual: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 1, arbitrary: rare }, { weight: 4, arbitrary: usual })
}

type Change = (text: string) => string
const asIs: Change = (text) => text

const rules: fc.Arbitrary<Rules> = fc.constantFrom<Rules>(
  { clockTolerance: 0 },
  { clockTolerance: 5 },
  { clockTolerance: 5, audience: 'tidegate' },
  { clockTolerance: 1.5, issuer: 'https://issuer.example' },
  { clockTolerance: 60, audience: 'tidegate', issuer: 'https://issuer.example' },
)

// Headers: a function of the algorithm, which most of them name.

type Header = (algorithm: Algorithm) => string

function plainHeaders(kids: readonly unknown[]): fc.Arbitrary<Header> {
  const members = [{}, { typ: 'JWT' }, ...kids.map((kid) => ({ kid }))]
  return fc.constantFrom(...members.map((more) => headerWith(more)))
}

function headerWith(more: object): Header {
  return (algorithm) => JSON.stringify({ alg: algorithm, ...more })
}

function headers(kids: readonly unknown[]): fc.Arbitrary<Header> {
  const others = [...algorithms, 'none', 'None', 'RS384', 'HS1', '', 5, null, ['HS256'], {}, true]
  const odd = [
    { crit: ['b64'], b64: true },
    { crit: ['b64', 'b64'], b64: true },
    { crit: ['b64'], b64: false },
    { crit: ['b64'], b64: 'true' },
    { crit: ['b64'] },
    { b64: false },
    { crit: [] },
    { crit: [], b64: true },
    { crit: null },
    { crit: 'b64', b64: true },
    { crit: ['exp'], exp: 1 },
    { crit: ['b64', ''], b64: true },
    { crit: ['b64', 1], b64: true },
    { crit: ['toString'] },
    { crit: ['__proto__'] },
    { typ: 5 },
    { kid: { a: 1 } },
    { kid: '' },
    { jwk: {}, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' },
  ]
  const texts = ['null', '[]', '"HS256"', '7', '', ' ', '{', '{"alg":"HS256"', '\ufeff{}', '{}']
  return fc.oneof(
    fc.constantFrom(...others).map(
      (alg): Header =>
        () =>
          JSON.stringify({ alg, kid: kids[0] }),
    ),
    fc.constantFrom(...odd).map(headerWith),
    fc.constantFrom(...texts).map(
      (text): Header =>
        () =>
          text,
    ),
    fc.constantFrom<Header>(
      (algorithm) => `\ufeff{"alg":"${algorithm}"}`,
      (algorithm) => ` {"alg" : "${algorithm}" }\n`,
      (algorithm) => `{"alg":"none","alg":"${algorithm}"}`,
      (algorithm) => `{"alg":"${algorithm}","alg":"none"}`,
      (algorithm) => `{"__proto__":{"alg":"${algorithm}"}}`,
      (algorithm) => `{"\\u0061lg":"${algorithm}"}`,
    ),
  )
}

// Payloads: JSON put together from literals, so that numbers can be written in any way.

const none = ''
const times = [-86_400, -61, -60, -59, -6, -5, -4, -2, -1, 0, 1, 2, 4, 5, 6, 60, 61, 3_600]
const nearTimes = fc.constantFrom(...times).map((offset) => String(nowSeconds + offset))
const oddNumbers = fc.constantFrom(
  ...['0', '-1', '1e3', '1.8e9', '1e999', '-1e999', '1800000000.3', '1799999995.3', '-0'],
)
const wrongTypes = fc.constantFrom(
  ...['null', 'true', '"1800000600"', '""', '[]', '[1800000600]', '{}', '{"valueOf":1}'],
)

const exp = fc.oneof(
  { weight: 6, arbitrary: fc.constant(String(nowSeconds + 600)) },
  { weight: 4, arbitrary: nearTimes },
  { weight: 1, arbitrary: oddNumbers },
  { weight: 1, arbitrary: wrongTypes },
  { weight: 1, arbitrary: fc.constant(none) },
)
const nbf = fc.oneof(
  { weight: 6, arbitrary: fc.constant(none) },
  { weight: 3, arbitrary: nearTimes },
  { weight: 1, arbitrary: fc.oneof(oddNumbers, wrongTypes) },
)
/** Never in the future: that we refuse and jose does not. */
const iat = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(none, String(nowSeconds), '0', '-1e999', '1.5') },
  { weight: 1, arbitrary: wrongTypes },
)
const aud = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('"tidegate"', '["tidegate"]', '["x","tidegate"]') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('"x"', '[]', '["x"]', '[["tidegate"]]', '["tidegate",7]', none),
  },
  { weight: 1, arbitrary: wrongTypes },
)
const iss = fc.oneof(
  { weight: 6, arbitrary: fc.constant('"https://issuer.example"') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('"https://issuer.example/"', '["https://issuer.example"]', none),
  },
  { weight: 1, arbitrary: wrongTypes },
)

function payloadOf(claims: Readonly<Record<string, string>>): string {
  const members = Object.entries(claims).filter(([, literal]) => literal !== none)
  return `{${members.map(([name, literal]) => `"${name}":${literal}`).join(',')}}`
}

const goodPayloads: fc.Arbitrary<string | Uint8Array> = fc
  .record({
    sub: fc.constantFrom('"u1"', '"ü"', '"\\u00fc"', '"😀"', none),
    aud: fc.constantFrom('"tidegate"', '["x","tidegate"]'),
    iss: fc.constant('"https://issuer.example"'),
    exp: fc.constantFrom(600, 600, 600, 3, -3, -600).map((ahead) => String(nowSeconds + ahead)),
  })
  .map(payloadOf)

const payloads: fc.Arbitrary<string | Uint8Array> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ exp, nbf, iat, aud, iss }).map(payloadOf) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<string | Uint8Array>(
      ...['null', '[]', '7', '"exp"', 'true', '', '{', `[{"exp":${nowSeconds + 9}}]`],
      `\ufeff{"exp":${nowSeconds + 9}}`,
      `\ufeff\ufeff{"exp":${nowSeconds + 9}}`,
      ` {"exp":${nowSeconds + 9}}\r\n`,
      `{"exp":${nowSeconds + 9}}x`,
      `{"exp":${nowSeconds + 9},"exp":1}`,
      `{"__proto__":{"exp":${nowSeconds + 9}}}`,
      `{"exp":${nowSeconds + 9},"__proto__":null,"toString":1}`,
      Buffer.from(`{"exp":${nowSeconds + 9},"x":"\xff"}`, 'latin1'),
      Buffer.from(`{"exp":${nowSeconds + 9}}`, 'utf16le'),
    ),
  },
)

// Mangles are made before the signature, so that they are signed, too.

const mangles: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.nat(400), fc.constantFrom(...' \t\n\f\r\v\u00a0=+/*é\u0141')).map(
    ([at, inserted]): Change =>
      (text) =>
        insert(text, at, inserted),
  ),
  fc.constantFrom<Change>(
    (text) => text.padEnd(Math.ceil(text.length / 4) * 4, '='),
    (text) => `${text}=`,
    (text) => `${text}==`,
    (text) => `${text} = =`,
    (text) => `${text}====`,
    (text) => text.replaceAll('-', '+').replaceAll('_', '/'),
    (text) => `${text}A`,
    (text) => text.slice(0, -1),
    (text) => withSpareBits(text),
    () => '',
  ),
)

function insert(text: string, at: number, inserted: string): string {
  const place = at % (text.length + 1)
  return text.slice(0, place) + inserted + text.slice(place)
}

/** Sets the last bit of the last character: where bits are left over, the bytes are the same. */
function withSpareBits(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(text.at(-1) ?? 'A')
  return text.slice(0, -1) + (alphabet[last | 1] ?? '')
}

// Forgeries are signatures by somebody who has not got the key.

type Forge = (input: string, signing: Signing) => string
const properlySigned: Forge = (input, signing) => signInput(input, signing).toString('base64url')

const forgeries: fc.Arbitrary<Forge> = fc.oneof(
  fc.constantFrom<Forge>(
    () => '',
    () => 'AAAA',
    (input) => signHmac(input, 'some other secret'),
    // The classic: the public key taken for a secret.
    (input, { key }) => (key.verificationKey.type === 'public' ? signHmac(input, pemOf(key)) : ''),
    // A proper signature of something else.
    (input, signing) => properlySigned(`${input}x`, signing),
    (input, { key, algorithm }) => {
      const other = key.algorithms.find((each) => each !== algorithm) ?? algorithm
      return properlySigned(input, { key, algorithm: other })
    },
  ),
  fc.constantFrom(64, 96, 256).map(
    (size): Forge =>
      () =>
        Buffer.alloc(size).toString('base64url'),
  ),
  mangles.map(
    (mangle): Forge =>
      (input, signing) =>
        mangle(properlySigned(input, signing)),
  ),
)

// Mutations happen on the way.

const mutations: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.nat(2), fc.nat(), fc.nat(7)).map(([segment, at, bit]): Change => {
    return (token) => changeSegment(token, segment, (text) => flipBit(text, at, bit))
  }),
  fc.tuple(fc.nat(), fc.constantFrom(...'. \n=A\u0141')).map(
    ([at, inserted]): Change =>
      (token) =>
        insert(token, at, inserted),
  ),
  fc.nat().map(
    (length): Change =>
      (token) =>
        token.slice(0, length % (token.length + 1)),
  ),
  fc.tuple(fc.nat(2), mangles).map(([segment, mangle]): Change => {
    return (token) => changeSegment(token, segment, mangle)
  }),
  fc.constantFrom<Change>(
    (token) => `.${token}`,
    (token) => `${token}.`,
    (token) => `${token}..`,
    (token) => ` ${token}`,
    (token) => `${token}\n`,
    (token) => token.split('.').reverse().join('.'),
    (token) => token.split('.').slice(0, 2).join('.'),
    (token) => token.split('.').slice(0, 2).join('.') + '.',
    (token) => token.replace('.', ''),
    (token) => token.toLowerCase(),
    () => '.',
    () => '..',
    () => '...',
  ),
)

function changeSegment(token: string, segment: number, change: Change): string {
  const segments = token.split('.')
  return segments.map((text, at) => (at === segment ? change(text) : text)).join('.')
}

function flipBit(text: string, at: number, bit: number): string {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length === 0) return text
  const index = at % bytes.length
  bytes[index] = (bytes[index] ?? 0) ^ (1 << bit)
  return bytes.toString('base64url')
}
