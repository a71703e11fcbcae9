/** HS256 tokens for the load client, minted by the thousand. */
import { createHmac } from 'node:crypto'

const header = encode({ alg: 'HS256', typ: 'JWT' })
const lifetimeSeconds = 3000

/** What the owner of a token may receive. */
export interface Permissions {
  /** Subscribed by the server when a WebSocket is opened. */
  readonly channels?: readonly string[]
  /** Channels and patterns that a client may subscribe. */
  readonly subscribe?: readonly string[]
}

export function mintToken(secret: string, sub: string, permissions: Permissions): string {
  const iat = Math.floor(Date.now() / 1000)
  const claims = { sub, iat, exp: iat + lifetimeSeconds, ...permissions }
  const signed = `${header}.${encode(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
