/** Whether a client may subscribe or publish a name: grammar, permission, namespace in order. */
import { isChannel, namespaceOf, type Channel } from '../shared/channel.js'
import type { HttpCode } from '../shared/codes.js'
import { isPattern, type Pattern } from '../shared/pattern.js'
import { findNamespace, type Namespaces } from '../hub/namespaces.js'
import type { Identity } from './identity.js'

export interface Refusal {
  readonly code: HttpCode
  readonly message: string
}

export type Access<Name> =
  { readonly ok: true; readonly name: Name } | ({ readonly ok: false } & Refusal)

export function subscribeAccess(
  name: string,
  identity: Identity,
  namespaces: Namespaces,
): Access<Channel | Pattern> {
  if (!isChannel(name) && !isPattern(name)) return badName(name, 'channel or pattern')
  // The permission first: a stranger does not learn which namespaces there are.
  if (!identity.permissions.maySubscribe(name)) {
    return no('forbidden', `The token does not allow subscribing to "${name}".`)
  }
  const namespace = findNamespace(namespaces, name)
  if (namespace === undefined) return unknownNamespace(name)
  if (!isChannel(name) && !namespace.patterns) {
    return no('forbidden', `The namespace "${namespaceOf(name)}" does not allow patterns.`)
  }
  return { ok: true, name }
}

export function publishAccess(
  name: string,
  identity: Identity,
  namespaces: Namespaces,
): Access<Channel> {
  if (!isChannel(name)) return badName(name, 'channel')
  if (!identity.permissions.mayPublish(name)) {
    return no('forbidden', `The token does not allow publishing to "${name}".`)
  }
  if (findNamespace(namespaces, name) === undefined) return unknownNamespace(name)
  return { ok: true, name }
}

function no(code: HttpCode, message: string): { readonly ok: false } & Refusal {
  return { ok: false, code, message }
}

function badName(name: string, what: string): { readonly ok: false } & Refusal {
  const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name
  return no('bad_request', `${JSON.stringify(shown)} is not a valid ${what} (PROTOCOL 2).`)
}

function unknownNamespace(name: string): { readonly ok: false } & Refusal {
  return no('unknown_namespace', `The namespace "${namespaceOf(name)}" is not configured.`)
}
