/** The one URL that all transports share (PROTOCOL 1), with what a stream puts into its query. */

export function eventsUrl(gateway: string, query: Readonly<Record<string, string>> = {}): URL {
  const url = new URL('v1/events', gateway.endsWith('/') ? gateway : `${gateway}/`)
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
  return url
}
