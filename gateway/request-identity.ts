/** Whose HTTP request it is: its token, verified, or the problem to answer with. */
import type { Identity } from './identity.js'
import { busy, type Node } from './node.js'
import type { Problem } from './problem.js'
import type { Request } from './request.js'
import { findToken } from './token-source.js'

export type IdentityResult =
  | { readonly ok: true; readonly identity: Identity }
  | { readonly ok: false; readonly problem: Problem }

export function identifyRequest(node: Node, request: Request): IdentityResult {
  const found = findToken(request.authorization, [], request.query)
  if (!found.ok) return { ok: false, problem: { code: 'bad_request', detail: found.message } }
  const verdict = node.authenticator.authenticate(found.token)
  if (verdict.ok) return verdict
  const { code, message } = verdict
  // A key that is not known yet will be: this one refusal is worth another try.
  const problem = code === 'key_unknown' ? busy(node, code, message) : { code, detail: message }
  return { ok: false, problem }
}
