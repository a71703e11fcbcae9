/** Where a request carries its token: header, subprotocol or query (PROTOCOL 3). */

export type TokenSource =
  | { readonly ok: true; readonly token: string | undefined }
  | { readonly ok: false; readonly message: string }

const bearerProtocol = 'bearer.'

export function findToken(
  authorization: string,
  protocols: readonly string[],
  query: URLSearchParams,
): TokenSource {
  const fromProtocol = protocols.find((protocol) => protocol.startsWith(bearerProtocol))
  const found = [
    bearerOf(authorization),
    fromProtocol?.slice(bearerProtocol.length),
    query.get('token') ?? undefined,
  ].filter((token) => token !== undefined)
  const [token] = found
  // Two tokens are two identities: guessing which one is meant would be wrong half of the time.
  if (found.some((other) => other !== token)) {
    return { ok: false, message: 'The request carries two different tokens.' }
  }
  return { ok: true, token }
}

/** RFC 6750 2.1; the scheme is case-insensitive (RFC 9110 11.1). */
function bearerOf(authorization: string): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization)?.[1]
}
