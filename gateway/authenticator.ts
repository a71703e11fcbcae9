/** What the transports need of authentication: a token in, a verdict out, at once. */
import type { Identity } from './identity.js'

export type TokenRefusal = 'token_missing' | 'token_invalid' | 'token_expired' | 'key_unknown'

export type Verdict =
  | { readonly ok: true; readonly identity: Identity }
  | { readonly ok: false; readonly code: TokenRefusal; readonly message: string }

export interface Authenticator {
  /**
   * Synchronous, because an async upgrade loses sockets on the engine builds we can run. Never
   * throws; the message never contains the token or a part of it.
   */
  authenticate(token: string | undefined): Verdict
}
