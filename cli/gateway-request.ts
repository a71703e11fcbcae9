/** What a command needs to ask a gateway: its address, a token, what a refusal says. */
import { CommandError, messageOf, UsageError, type Terminal } from './command.js'

/** Without a final slash. */
export function gatewayUrl(given = 'http://127.0.0.1:8080'): string {
  if (!/^https?:\/\//.test(given) || !URL.canParse(given)) {
    throw new UsageError('--url: must be the http:// or https:// address of a gateway.')
  }
  return given.replace(/\/+$/, '')
}

/** It travels in a header: an address ends up in logs. */
export function tokenOf(given: string | undefined, { env }: Terminal): string {
  const token = (given ?? env['TIDEGATE_TOKEN'] ?? '').trim()
  if (token === '') throw new CommandError('There is no token: set TIDEGATE_TOKEN or give --token.')
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new CommandError('The token is none: it has odd letters.')
  return token
}

/** The code and the sentence of a problem; whatever else answered says its status. */
export async function refusalOf(response: Response): Promise<string> {
  const body = await response.text()
  try {
    const { code, detail } = JSON.parse(body) as { code?: unknown; detail?: unknown }
    if (typeof code === 'string' && typeof detail === 'string') return `${code}: ${detail}`
  } catch {
    // A page of something that stands between.
  }
  return `http_${response.status}: ${response.statusText}`
}

/** `fetch` hides what happened in a cause; one that tried several addresses has no message. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Error)) return messageOf(error)
  return cause.message || ('code' in cause ? String(cause.code) : messageOf(error))
}
