/** Which subscriptions match a subject, with NATS' meaning of `*` and `>`. */
import { covers } from '../shared/pattern.js'

export class SubjectIndex<T> {
  readonly #exact = new Map<string, Set<T>>()
  /** By the tokens before the first wildcard, with their dots; then by the whole subject. */
  readonly #wildcards = new Map<string, Map<string, Set<T>>>()

  add(subject: string, entry: T): void {
    const prefix = literalPrefix(subject)
    if (prefix === undefined) return put(this.#exact, subject, entry)
    let patterns = this.#wildcards.get(prefix)
    if (patterns === undefined) this.#wildcards.set(prefix, (patterns = new Map()))
    put(patterns, subject, entry)
  }

  delete(subject: string, entry: T): void {
    const prefix = literalPrefix(subject)
    if (prefix === undefined) return take(this.#exact, subject, entry)
    const patterns = this.#wildcards.get(prefix)
    if (patterns === undefined) return
    take(patterns, subject, entry)
    if (patterns.size === 0) this.#wildcards.delete(prefix)
  }

  /** A list of its own: entries may come and go while it is walked. */
  match(subject: string): T[] {
    const matches = [...(this.#exact.get(subject) ?? [])]
    if (this.#wildcards.size === 0) return matches
    for (let end = 0; end !== -1; end = subject.indexOf('.', end) + 1 || -1) {
      for (const [pattern, entries] of this.#wildcards.get(subject.slice(0, end)) ?? []) {
        if (covers(pattern, subject)) matches.push(...entries)
      }
    }
    return matches
  }
}

function literalPrefix(subject: string): string | undefined {
  const wildcard = /(?:^|\.)[*>](?:\.|$)/.exec(subject)
  if (wildcard === null) return undefined
  return subject.slice(0, wildcard.index === 0 && subject[0] !== '.' ? 0 : wildcard.index + 1)
}

function put<T>(map: Map<string, Set<T>>, key: string, entry: T): void {
  const entries = map.get(key)
  if (entries === undefined) map.set(key, new Set([entry]))
  else entries.add(entry)
}

function take<T>(map: Map<string, Set<T>>, key: string, entry: T): void {
  const entries = map.get(key)
  if (entries?.delete(entry) && entries.size === 0) map.delete(key)
}
