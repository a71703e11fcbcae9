/** The claims that say who a client is and what it may do, turned into an identity. */
import { isChannel, type Channel } from '../shared/channel.js'
import { isPattern, isPermission, type Pattern } from '../shared/pattern.js'
import { invalidToken, type Refusal } from './claims.js'
import { Permissions, type Identity } from './identity.js'
import type { JsonObject } from './jws.js'

/** Entries of each of the claims `channels`, `subscribe` and `publish`. */
export const permissionsMax = 256
export const subjectLengthMax = 256

/** Different permissions kept to be shared by the tokens to come; the oldest go first. */
export const sharedPermissionsMax = 1024

export class IdentityReader {
  /**
   * By the claims as JSON, so that tokens with equal claims share one object. What is in here has
   * been checked: its patterns need not be looked at again.
   */
  readonly #shared = new Map<string, Permissions>()

  /** `claims` have passed checkClaims: `exp` is a number. */
  read(claims: JsonObject): Identity | Refusal {
    const subject = claims['sub']
    if (subject !== undefined && !isSubject(subject)) return badSubject
    const permissions = this.#readPermissions(claims)
    if (!(permissions instanceof Permissions)) return permissions
    return { subject, expiresAt: Math.round(Number(claims['exp']) * 1000), permissions }
  }

  #readPermissions(claims: JsonObject): Permissions | Refusal {
    const { channels = none, subscribe = none, publish = none } = claims
    if (!isList(channels)) return badChannels
    if (!isList(subscribe)) return badSubscribe
    if (!isList(publish)) return badPublish
    const key = JSON.stringify([channels, subscribe, publish])
    const shared = this.#shared.get(key)
    if (shared !== undefined) return shared
    if (!channels.every(isSubscribable)) return badChannels
    if (!subscribe.every(isPermission)) return badSubscribe
    if (!publish.every(isPermission)) return badPublish
    const permissions = new Permissions([...new Set(channels)], subscribe, publish)
    if (this.#shared.size >= sharedPermissionsMax) this.#forgetOldest()
    this.#shared.set(key, permissions)
    return permissions
  }

  #forgetOldest(): void {
    for (const oldest of this.#shared.keys()) {
      this.#shared.delete(oldest)
      return
    }
  }
}

const none: readonly string[] = []

function isList(claim: unknown): claim is readonly string[] {
  if (!Array.isArray(claim) || claim.length > permissionsMax) return false
  return claim.every((entry) => typeof entry === 'string')
}

function isSubscribable(name: string): name is Channel | Pattern {
  return isChannel(name) || isPattern(name)
}

// It becomes the value of a NATS header, in UTF-8: no control characters or line separators, no
// lone surrogates, and no white space at the ends, which a header would lose.
const printable = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u

function isSubject(claim: unknown): claim is string {
  if (typeof claim !== 'string' || claim.length > subjectLengthMax) return false
  return printable.test(claim) && claim.trim() === claim
}

const badSubject = invalidToken(
  `The claim "sub" must be 1 to ${subjectLengthMax} printable characters, no space at its ends.`,
)
const badChannels = badList('channels', 'channels or patterns')
const badSubscribe = badList('subscribe', 'channels or patterns')
const badPublish = badList('publish', 'channels or patterns')

function badList(claim: string, entries: string): Refusal {
  return invalidToken(
    `The claim "${claim}" must be a list of at most ${permissionsMax} ${entries}.`,
  )
}
