/** How to reach NATS and who we are there: settings and files in, options of the client out. */
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import {
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
  type Authenticator,
  type NodeConnectionOptions,
  type TlsOptions,
} from '@nats-io/transport-node'

export interface NatsOptions {
  /** One address or several with commas: `nats://host:4222`, `tls://user:password@host`. */
  readonly url: string
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly token?: string | undefined
  /** User JWT and seed in one file, as `nsc` writes it. */
  readonly credentialsFile?: string | undefined
  /** Seed of a user's NKey. */
  readonly nkeyFile?: string | undefined
  /** PEM. Any of these three asks for TLS; `tls://` does with the system's authorities. */
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

const addressGrammar =
  /^(?:(nats|tls):\/\/)?(?:([^@/\s]+)@)?((?:\[[^\]\s]+\]|[^@/:\s]+)(?::\d{1,5})?)\/?$/

interface Address {
  readonly isTls: boolean
  /** `user:password` or a token, percent-encoded. */
  readonly credentials: string | undefined
  readonly host: string
}

/**
 * Read before each attempt to connect, so that rotated files are taken; and once at start, so that
 * one that is missing or unusable stops it. Rejects with the path in the message.
 */
export async function natsConnectionOptions(options: NatsOptions): Promise<NodeConnectionOptions> {
  const addresses = options.url.split(',').map((part) => parseAddress(part.trim()))
  const tls = await tlsOptions(options, addresses)
  const authenticator = await authenticatorOf(options, addresses)
  return {
    servers: addresses.map((address) => address.host),
    ...(tls === undefined ? {} : { tls }),
    ...(authenticator === undefined ? {} : { authenticator }),
  }
}

function parseAddress(text: string): Address {
  const match = addressGrammar.exec(text)
  // The text may contain a password: it stays out of the message.
  if (match === null) throw new Error('NATS url: every address must be nats://host:port or tls://…')
  return { isTls: match[1] === 'tls', credentials: match[2], host: match[3] as string }
}

async function tlsOptions(
  options: NatsOptions,
  addresses: readonly Address[],
): Promise<TlsOptions | undefined> {
  const { caFile, certFile, keyFile } = options
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new Error('NATS TLS: certificate and key belong together, one of them is missing')
  }
  const files = { ca: caFile, cert: certFile, key: keyFile }
  const tls: TlsOptions = {}
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = files[name]
    if (path !== undefined) tls[name] = await readText(path, `TLS ${name} file`)
  }
  // Node takes text without a certificate for an empty list, and then trusts nobody.
  if (tls.ca !== undefined && !tls.ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw new Error(`NATS TLS ca file ${caFile} holds no certificate`)
  }
  const paths = [caFile, certFile, keyFile].filter((path) => path !== undefined)
  try {
    createSecureContext(tls)
  } catch (error) {
    throw new Error(`NATS TLS files ${paths.join(', ')} cannot be used: ${messageOf(error)}`)
  }
  return paths.length > 0 || addresses.some((address) => address.isTls) ? tls : undefined
}

async function authenticatorOf(
  options: NatsOptions,
  addresses: readonly Address[],
): Promise<Authenticator | undefined> {
  const ways = await Promise.all([
    passwordOf(options),
    options.token === undefined ? undefined : tokenAuthenticator(options.token),
    authenticatorOfFile(options.credentialsFile, 'credentials', credsAuthenticator),
    authenticatorOfFile(options.nkeyFile, 'nkey', (bytes) => nkeyAuthenticator(trimmed(bytes))),
    credentialsInUrl(addresses),
  ])
  const given = ways.filter((way) => way !== undefined)
  if (given.length > 1) {
    throw new Error('NATS: give one of user, token, credentials file, nkey file, user in the url')
  }
  return given[0]
}

function passwordOf({ user, password }: NatsOptions): Authenticator | undefined {
  if (user !== undefined) return usernamePasswordAuthenticator(user, password)
  if (password !== undefined) throw new Error('NATS: a password was given, but no user')
  return undefined
}

async function authenticatorOfFile(
  path: string | undefined,
  kind: string,
  build: (bytes: Uint8Array) => Authenticator,
): Promise<Authenticator | undefined> {
  if (path === undefined) return undefined
  const bytes = new TextEncoder().encode(await readText(path, `${kind} file`))
  const authenticator = build(bytes)
  try {
    authenticator('nonce')
  } catch {
    // What the library says may quote the seed.
    throw new Error(`NATS ${kind} file ${path} holds no usable ${kind}`)
  }
  return authenticator
}

function credentialsInUrl(addresses: readonly Address[]): Authenticator | undefined {
  const all = new Set(addresses.map((address) => address.credentials))
  if (all.size > 1) throw new Error('NATS url: all addresses must name the same user, or none')
  const [credentials] = all
  if (credentials === undefined) return undefined
  const colon = credentials.indexOf(':')
  if (colon === -1) return tokenAuthenticator(percentDecoded(credentials))
  return usernamePasswordAuthenticator(
    percentDecoded(credentials.slice(0, colon)),
    percentDecoded(credentials.slice(colon + 1)),
  )
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('NATS url: user and password must be percent-encoded')
  }
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new Error(`NATS ${what} ${path} cannot be read: ${messageOf(error)}`)
  }
}

function trimmed(bytes: Uint8Array): Uint8Array {
  return new TextEncoder().encode(new TextDecoder().decode(bytes).trim())
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
