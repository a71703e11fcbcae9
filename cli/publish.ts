/** `tidegate publish`: one publication, over NATS as a service does or over HTTP as a client. */
import { parseArgs } from 'node:util'
import { loadConfig, variableOf, type Config } from '../gateway/config.js'
import { isChannel, type Channel } from '../shared/channel.js'
import { CommandError, UsageError, type Command, type Terminal } from './command.js'
import { tokenOf, causeOf, gatewayUrl, refusalOf } from './gateway-request.js'
import { publishByNats } from './nats-publish.js'

const natsVariable = variableOf('natsUrls')
const answerMs = 10_000

const help = `tidegate publish <channel> <json>
tidegate publish <channel> - < file
tidegate publish <channel> --content-type text/plain 'any text'
tidegate publish <channel> --end [<json>]

Makes one publication and waits for the answer. Over NATS, as a service does, with --nats or if
${natsVariable} is set, in the environment or the file; else over HTTP, as a client does. In a
durable channel the answer comes when the history holds it, and has its offset; over NATS the
setting ${variableOf('namespaces')} says which namespaces are durable.
  --nats          the NATS server: nats://127.0.0.1:4222
  --url           the gateway (default http://127.0.0.1:8080); given, HTTP is used
  --token         the token that may publish (default: TIDEGATE_TOKEN)
  --content-type  what the payload is, if it is not JSON
  --id            makes it once, however often it is published: over NATS the Nats-Msg-Id, good for
                  the whole namespace, over HTTP the idempotencyKey of this sender and channel
  --end           it is the last of its channel, over NATS only; the payload may be left out
  --config        the file with settings (default: TIDEGATE_CONFIG, if set)`

interface Draft {
  readonly channel: Channel
  readonly payload: Buffer
  /** Undefined: JSON. */
  readonly contentType: string | undefined
  readonly id: string | undefined
  readonly isEnd: boolean
}

export const publishCommand: Command = {
  name: 'publish',
  summary: 'make one publication',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        nats: { type: 'string' },
        url: { type: 'string' },
        token: { type: 'string' },
        'content-type': { type: 'string' },
        id: { type: 'string' },
        end: { type: 'boolean', default: false },
        config: { type: 'string' },
      },
    })
    if (values.nats !== undefined && values.url !== undefined) {
      throw new UsageError('Give --nats or --url, not both.')
    }
    const draft = await readDraft(positionals, values, terminal)
    const config = readNatsConfig(values, terminal)
    const offset =
      config === undefined
        ? await publishByHttp(gatewayUrl(values.url), tokenOf(values.token, terminal), draft)
        : await publishByNats(config, { ...draft, headers: headersOf(draft) })
    const at = offset === undefined ? '' : ` at offset ${offset}`
    terminal.err(`Published ${draft.payload.length} bytes to ${draft.channel}${at}.`)
    return 0
  },
}

interface Given {
  readonly 'content-type'?: string | undefined
  readonly id?: string | undefined
  readonly end: boolean
}

async function readDraft(
  [channel, given, ...more]: readonly string[],
  { 'content-type': contentType, id, end: isEnd }: Given,
  terminal: Terminal,
): Promise<Draft> {
  const text = given ?? (isEnd ? '' : undefined)
  if (channel === undefined || text === undefined || more.length > 0) {
    throw new UsageError('Give one channel and one payload (- reads it from standard input).')
  }
  if (!isChannel(channel)) throw new UsageError(`${channel}: is no channel.`)
  if (id !== undefined && !/^[\x21-\x7e]{1,128}$/.test(id)) {
    throw new UsageError('--id: must be 1 to 128 visible ASCII characters.')
  }
  const payload = text === '-' ? await terminal.readInput() : Buffer.from(text, 'utf8')
  const isNothing = isEnd && given === undefined
  if (contentType === undefined && !isNothing) {
    try {
      JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload))
    } catch {
      throw new UsageError('The payload is no JSON. Something else needs --content-type.')
    }
  }
  return { channel, payload, contentType, id, isEnd }
}

function headersOf({ contentType, id, isEnd }: Draft): Record<string, string> {
  return {
    ...(contentType !== undefined && { 'Content-Type': contentType }),
    ...(id !== undefined && { 'Nats-Msg-Id': id }),
    ...(isEnd && { 'Tidegate-End': '1' }),
  }
}

interface Options {
  readonly nats?: string | undefined
  readonly url?: string | undefined
  readonly config?: string | undefined
}

/** Undefined: HTTP is meant. */
function readNatsConfig(options: Options, { env }: Terminal): Config | undefined {
  if (options.url !== undefined) return undefined
  const file = options.config ?? (env['TIDEGATE_CONFIG'] || undefined)
  const nats = options.nats ?? env[natsVariable]
  const config = loadConfig({ env: { ...env, [natsVariable]: nats }, file })
  return config.natsUrls.length === 0 ? undefined : config
}

/** The offset, where the channel has a history. */
async function publishByHttp(
  url: string,
  token: string,
  draft: Draft,
): Promise<number | undefined> {
  if (draft.isEnd) {
    throw new UsageError(
      '--end: a client cannot end a channel, a service does, over NATS (--nats).',
    )
  }
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
  let response: Response
  try {
    const signal = AbortSignal.timeout(answerMs)
    const body = bodyOf(draft)
    response = await fetch(`${url}/v1/publish`, { method: 'POST', headers, body, signal })
  } catch (error) {
    throw new CommandError(`${url} does not answer: ${causeOf(error)}`)
  }
  if (!response.ok) throw new CommandError(await refusalOf(response))
  const { offset } = (await response.json()) as { readonly offset?: number }
  return offset
}

/** The payload's own bytes, not what a parser would make of them. */
function bodyOf({ channel, payload, contentType, id }: Draft): string {
  if (contentType !== undefined) {
    const base64 = payload.toString('base64')
    return JSON.stringify({ channel, base64, contentType, idempotencyKey: id })
  }
  const key = id === undefined ? '' : `"idempotencyKey":${JSON.stringify(id)},`
  return `{"channel":"${channel}",${key}"data":${payload.toString()}}`
}
