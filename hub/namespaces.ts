/** The configured namespaces, and what each of them allows. */
import { namespaceOf } from '../shared/channel.js'

export interface Namespace {
  /** False: ephemeral, at most once. Else durable; until durable channels come, served as ephemeral. */
  readonly isDurable: boolean
  /** Whether clients may subscribe to patterns in it. */
  readonly patterns: boolean
}

export type Namespaces = ReadonlyMap<string, Namespace>

export function findNamespace(namespaces: Namespaces, name: string): Namespace | undefined {
  return namespaces.get(namespaceOf(name))
}
