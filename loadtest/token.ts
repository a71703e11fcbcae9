/** HS256 tokens for the load client, minted by the thousand. */
import { createHmac } from 'node:crypto'

const header = encode({ alg: 'HS256', typ: 'JWT' })
const lifetimeSeconds = 3000

/** A token that lets its owner receive one channel, on every transport. */
export function mintToken(secret: string, sub: string, channel: string): string {
  const iat = Math.floor(Date.now() / 1000)
  const claims = { sub, iat, exp: iat + lifetimeSeconds, channels: [channel] }
  const signed = `${header}.${encode(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
