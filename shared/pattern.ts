/** Patterns: channels with NATS wildcards, for permissions and subscriptions (PROTOCOL 2). */
import { channelLengthMax, channelTokensMax, isChannel } from './channel.js'

declare const patternBrand: unique symbol

/** A valid pattern that has at least one wildcard: `*` is one token, a final `>` one or more. */
export type Pattern = string & { readonly [patternBrand]: true }

const tokenGrammar = /^(?:\*|[A-Za-z0-9_\-:@]+)$/

/** What a permission may say: a channel, or a pattern whose first token may be a wildcard too. */
export function isPermission(text: string): boolean {
  if (text.length === 0 || text.length > channelLengthMax) return false
  const tokens = text.split('.')
  if (tokens.length > channelTokensMax) return false
  const last = tokens.length - 1
  return tokens.every((token, at) => tokenGrammar.test(token) || (token === '>' && at === last))
}

/** What may be subscribed as a pattern. Its first token is literal: it names the namespace. */
export function isPattern(text: string): text is Pattern {
  return isPermission(text) && !isChannel(text) && /^[^*>]/.test(text)
}

const dot = 0x2e
const star = 0x2a
const greater = 0x3e

/**
 * Whether every channel that matches `name` (a channel or a pattern) also matches `granted`.
 * For a channel that is plain NATS matching. Walks both texts and makes nothing: a refreshed token
 * holds up to 256 permissions against as many subscriptions.
 */
export function covers(granted: string, name: string): boolean {
  let g = 0
  let n = 0
  while (g < granted.length && n < name.length) {
    const wanted = granted.charCodeAt(g)
    if (wanted === greater) return true
    if (name.charCodeAt(n) === greater) return false
    if (wanted === star) {
      g += 1
      while (n < name.length && name.charCodeAt(n) !== dot) n += 1
    } else {
      while (g < granted.length && granted.charCodeAt(g) === name.charCodeAt(n)) {
        if (granted.charCodeAt(g) === dot) break
        g += 1
        n += 1
      }
    }
    if (g === granted.length || n === name.length) return g === granted.length && n === name.length
    if (granted.charCodeAt(g) !== dot || name.charCodeAt(n) !== dot) return false
    g += 1
    n += 1
  }
  return false
}
