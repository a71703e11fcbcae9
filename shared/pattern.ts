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

/**
 * Whether every channel that matches `name` (a channel or a pattern) also matches `granted`.
 * For a channel that is plain NATS matching.
 */
export function covers(granted: string, name: string): boolean {
  if (granted === name || granted === '>') return true
  const grantedTokens = granted.split('.')
  const tokens = name.split('.')
  for (const [at, token] of grantedTokens.entries()) {
    const other = tokens[at]
    if (other === undefined) return false
    if (token === '>') return true
    if (other === '>' || (token !== '*' && token !== other)) return false
  }
  return tokens.length === grantedTokens.length
}
