/** The channel grammar: what a client subscribes to, the tail of a NATS subject (PROTOCOL 2). */

declare const channelBrand: unique symbol

/** A valid channel name. It contains no wildcard, so it may be put into a NATS subject as it is. */
export type Channel = string & { readonly [channelBrand]: true }

export const channelLengthMax = 160
export const channelTokensMax = 16

const channelGrammar = /^[A-Za-z0-9_\-:@]+(?:\.[A-Za-z0-9_\-:@]+){0,15}$/

export function isChannel(text: string): text is Channel {
  return text.length <= channelLengthMax && channelGrammar.test(text)
}

/** The namespace of a channel or pattern: its first token, or `default` if it has only one. */
export function namespaceOf(name: string): string {
  const dot = name.indexOf('.')
  return dot === -1 ? 'default' : name.slice(0, dot)
}
