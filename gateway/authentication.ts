/** Puts authentication together from the settings: where keys come from, and who verifies. */
import { readFile } from 'node:fs/promises'
import type { Clock } from '../hub/clock.js'
import type { Authenticator } from './authenticator.js'
import { JwksFile } from './jwks-file.js'
import type { OnKeyEvent } from './jwks-source.js'
import { JwksUrl } from './jwks-url.js'
import { KeySet, keysTriedMax, type VerificationKey } from './key-set.js'
import { importPem, importSecret } from './keys.js'
import { TokenAuthenticator } from './token-authenticator.js'

export interface AuthenticationSettings {
  readonly jwtSecrets?: readonly string[] | undefined
  readonly jwtPublicKeyFiles?: readonly string[] | undefined
  readonly jwksFile?: string | undefined
  readonly jwksUrl?: string | undefined
  readonly jwtAudience?: string | undefined
  readonly jwtIssuer?: string | undefined
  readonly clockToleranceSeconds: number
  readonly tokenLifetimeSecondsMax: number
}

export interface Authentication {
  readonly authenticator: Authenticator
  /** Whether any token can be verified yet. */
  readonly hasKeys: boolean
  /** Resolves when the first fetch from an address has ended, whichever way, or was closed. */
  readonly firstFetch: Promise<void>
  /** Stops looking for new keys. */
  close(): void
}

/** Why the node must not start: one sentence for each fault. */
export class AuthenticationError extends Error {
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.name = 'AuthenticationError'
    this.faults = faults
  }
}

export const noKeyMessage: string =
  'No key to verify tokens with. Set TIDEGATE_JWT_SECRET, TIDEGATE_JWT_PUBLIC_KEY_FILES, ' +
  'TIDEGATE_JWKS_FILE or TIDEGATE_JWKS_URL.'

/**
 * Rejects with an AuthenticationError when a key cannot be used or there is none. An address that
 * does not answer is no fault: the node starts, and refuses retryably until it does.
 */
export async function createAuthentication(
  settings: AuthenticationSettings,
  clock: Clock,
  onEvent: OnKeyEvent,
): Promise<Authentication> {
  const keys = new KeySet()
  const faults: string[] = []
  const secrets = importSecrets(settings.jwtSecrets ?? [], faults)
  if (keys.replace('secrets', { keys: secrets }).length > 0) {
    faults.push(`TIDEGATE_JWT_SECRET: it holds more than ${keysTriedMax} secrets.`)
  }
  const pemKeys = await importPemFiles(settings.jwtPublicKeyFiles ?? [], faults)
  if (keys.replace('files', { keys: pemKeys }).length > 0) {
    const what = `more than ${keysTriedMax} keys for one algorithm`
    faults.push(`TIDEGATE_JWT_PUBLIC_KEY_FILES: ${what}; a JWKS has room for more, by their names.`)
  }
  const file = await openFile(settings.jwksFile, keys, clock, onEvent, faults)
  const distant = createDistant(settings.jwksUrl, keys, clock, onEvent, faults)
  if (keys.size === 0 && distant === undefined && faults.length === 0) faults.push(noKeyMessage)
  const close = (): void => {
    file?.close()
    distant?.close()
  }
  if (faults.length > 0) {
    close()
    throw new AuthenticationError(faults)
  }
  const firstFetch = distant?.open() ?? Promise.resolve()
  const authenticator = new TokenAuthenticator(keys, {
    audience: settings.jwtAudience,
    issuer: settings.jwtIssuer,
    clockToleranceSeconds: settings.clockToleranceSeconds,
    tokenLifetimeSecondsMax: settings.tokenLifetimeSecondsMax,
    clock,
  })
  return {
    authenticator,
    firstFetch,
    close,
    get hasKeys() {
      return keys.size > 0
    },
  }
}

function importSecrets(secrets: readonly string[], faults: string[]): VerificationKey[] {
  const keys: VerificationKey[] = []
  for (const [at, secret] of secrets.entries()) {
    try {
      keys.push(importSecret(secret))
    } catch (cause) {
      const which = secrets.length === 1 ? '' : `, secret ${at + 1} of ${secrets.length}`
      faults.push(`TIDEGATE_JWT_SECRET${which}: ${(cause as Error).message}.`)
    }
  }
  return keys
}

async function importPemFiles(
  paths: readonly string[],
  faults: string[],
): Promise<VerificationKey[]> {
  const keys: VerificationKey[] = []
  for (const path of paths) {
    try {
      keys.push(await importPem(await readFile(path, 'utf8')))
    } catch (cause) {
      faults.push(`TIDEGATE_JWT_PUBLIC_KEY_FILES, ${path}: ${(cause as Error).message}.`)
    }
  }
  return keys
}

async function openFile(
  path: string | undefined,
  keys: KeySet,
  clock: Clock,
  onEvent: OnKeyEvent,
  faults: string[],
): Promise<JwksFile | undefined> {
  if (path === undefined) return undefined
  const file = new JwksFile(path, keys, clock, onEvent)
  const fault = await file.open()
  if (fault !== undefined) faults.push(`TIDEGATE_JWKS_FILE, ${path}: ${fault}.`)
  return file
}

function createDistant(
  address: string | undefined,
  keys: KeySet,
  clock: Clock,
  onEvent: OnKeyEvent,
  faults: string[],
): JwksUrl | undefined {
  if (address === undefined) return undefined
  if (URL.canParse(address)) {
    const url = new URL(address)
    if (/^https?:$/.test(url.protocol)) return new JwksUrl(url, keys, clock, onEvent)
  }
  faults.push('TIDEGATE_JWKS_URL is no http or https address.')
  return undefined
}
