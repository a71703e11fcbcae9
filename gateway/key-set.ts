/** The keys that tokens are verified with, from all sources, found by algorithm and `kid`. */
import { isSymmetric, type Algorithm, type Verifier } from './jws-algorithm.js'

export interface VerificationKey {
  readonly kid: string | undefined
  /** One for each algorithm that the key is bound to. */
  readonly verifiers: ReadonlyMap<Algorithm, Verifier>
}

/** The keys of one source. */
export interface KeyList {
  readonly keys: readonly VerificationKey[]
  /**
   * The names that the source knows, those of keys that cannot be used among them. Absent: the
   * source does not name its keys (secrets, PEM files), so they are tried whatever `kid` says.
   */
  readonly kids?: ReadonlySet<string>
}

/** A source that may have new keys somewhere far away. */
export interface DistantKeys {
  readonly isLoaded: boolean
  /** A token named a key that is not here. At once, never throws, cheap when called often. */
  want(): void
}

/** Keys tried for one token: a bound on what a forged token can cost. */
export const keysTriedMax = 8

export class KeySet {
  readonly #lists = new Map<string, KeyList>()
  readonly #byAlgorithm = new Map<Algorithm, Candidates>()
  #distant: DistantKeys | undefined

  /**
   * Replaces all keys of the source of this name. Returns those of them that no token is tried
   * with: they have no name, or share one, and `keysTriedMax` others stand before them.
   */
  replace(source: string, list: KeyList): readonly VerificationKey[] {
    this.#lists.set(source, list)
    this.#byAlgorithm.clear()
    for (const each of this.#lists.values()) {
      for (const key of each.keys) this.#index(key, each.kids !== undefined)
    }
    return list.keys.filter((key) => !this.#isTried(key))
  }

  get size(): number {
    let size = 0
    for (const list of this.#lists.values()) size += list.keys.length
    return size
  }

  set distant(source: DistantKeys) {
    this.#distant = source
  }

  /** What may verify such a token; at most `keysTriedMax`. */
  find(algorithm: Algorithm, kid: unknown): readonly Verifier[] {
    const candidates = this.#byAlgorithm.get(algorithm)
    if (candidates === undefined) return none
    if (kid === undefined) return candidates.all
    const named = typeof kid === 'string' ? candidates.named.get(kid) : undefined
    if (named === undefined) return candidates.unnamed
    if (candidates.unnamed.length === 0) return named
    return [...named, ...candidates.unnamed].slice(0, keysTriedMax)
  }

  /**
   * Whether the key that no candidate was may yet come: then it is asked for, and the refusal is
   * worth a retry. A key rotation must not lock clients out.
   */
  expect(algorithm: Algorithm, kid: unknown): boolean {
    if (this.#distant === undefined || isSymmetric(algorithm)) return false
    if (this.#distant.isLoaded && !(typeof kid === 'string' && !this.#isKnown(kid))) return false
    this.#distant.want()
    return true
  }

  #isKnown(kid: string): boolean {
    for (const list of this.#lists.values()) if (list.kids?.has(kid)) return true
    return false
  }

  #isTried({ kid, verifiers }: VerificationKey): boolean {
    for (const [algorithm, verifier] of verifiers) {
      const candidates = this.#byAlgorithm.get(algorithm)
      const named = kid === undefined ? undefined : candidates?.named.get(kid)
      if (!(named ?? candidates?.all)?.includes(verifier)) return false
    }
    return true
  }

  #index(key: VerificationKey, isNamed: boolean): void {
    for (const [algorithm, verifier] of key.verifiers) {
      const candidates = this.#byAlgorithm.get(algorithm) ?? new Candidates()
      this.#byAlgorithm.set(algorithm, candidates)
      addBounded(candidates.all, verifier)
      if (!isNamed) addBounded(candidates.unnamed, verifier)
      if (key.kid === undefined) continue
      const sameName = candidates.named.get(key.kid) ?? []
      candidates.named.set(key.kid, sameName)
      addBounded(sameName, verifier)
    }
  }
}

const none: readonly Verifier[] = []

/** Of one algorithm. */
class Candidates {
  readonly all: Verifier[] = []
  /** Of sources that do not name their keys. */
  readonly unnamed: Verifier[] = []
  readonly named = new Map<string, Verifier[]>()
}

function addBounded(verifiers: Verifier[], verifier: Verifier): void {
  if (verifiers.length < keysTriedMax) verifiers.push(verifier)
}
