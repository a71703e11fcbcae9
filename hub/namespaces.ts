/** The configured namespaces, and what each of them allows. */
import { namespaceOf } from '../shared/channel.js'

export interface Namespace {
  /** False: ephemeral, at most once. Until durable channels come, all are served as ephemeral. */
  readonly isDurable: boolean
  /** Whether clients may subscribe to patterns in it. */
  readonly patterns: boolean
}

export type Namespaces = ReadonlyMap<string, Namespace>

export function findNamespace(namespaces: Namespaces, name: string): Namespace | undefined {
  return namespaces.get(namespaceOf(name))
}
