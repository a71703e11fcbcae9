/** `tidegate publish`: one publication, over NATS as a service does or over HTTP as a client. */
import { parseArgs } from 'node:util'
import { systemClock } from '../client/system-clock.js'
import { loadConfig, variableOf, type Config } from '../gateway/config.js'
import type { Broker } from '../hub/broker.js'
import { isChannel, type Channel } from '../shared/channel.js'
import { createBroker } from './broker.js'
import { CommandError, messageOf, UsageError, type Command, type Terminal } from './command.js'
import { bearerOf, causeOf, gatewayUrl, refusalOf } from './gateway-request.js'

const natsVariable = variableOf('natsUrls')
const answerMs = 10_000

const help = `tidegate publish <channel> <json>
tidegate publish <channel> - < file
tidegate publish <channel> --content-type text/plain 'any text'

Makes one publication and waits for the answer. Over NATS, as a service does, with --nats or if
${natsVariable} is set, in the environment or the file; else over HTTP, as a client does.
  --nats          the NATS server: nats://127.0.0.1:4222
  --url           the gateway (default http://127.0.0.1:8080); given, HTTP is used
  --token         the token that may publish (default: TIDEGATE_TOKEN)
  --content-type  what the payload is, if it is not JSON
  --config        the file with settings (default: TIDEGATE_CONFIG, if set)`

interface Draft {
  readonly channel: Channel
  readonly payload: Buffer
  /** Undefined: JSON. */
  readonly contentType: string | undefined
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
        config: { type: 'string' },
      },
    })
    if (values.nats !== undefined && values.url !== undefined) {
      throw new UsageError('Give --nats or --url, not both.')
    }
    const draft = await readDraft(positionals, values['content-type'], terminal)
    const config = readNatsConfig(values, terminal)
    if (config === undefined) {
      await publishByHttp(gatewayUrl(values.url), bearerOf(values.token, terminal), draft)
    } else {
      await publishByNats(config, draft)
    }
    terminal.err(`Published ${draft.payload.length} bytes to ${draft.channel}.`)
    return 0
  },
}

async function readDraft(
  positionals: readonly string[],
  contentType: string | undefined,
  terminal: Terminal,
): Promise<Draft> {
  const [channel, text] = positionals
  if (channel === undefined || text === undefined || positionals.length > 2) {
    throw new UsageError('Give one channel and one payload (- reads it from standard input).')
  }
  if (!isChannel(channel)) throw new UsageError(`${channel}: is no channel.`)
  const payload = text === '-' ? await terminal.readInput() : Buffer.from(text, 'utf8')
  if (contentType === undefined) {
    try {
      JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload))
    } catch {
      throw new UsageError('The payload is no JSON. Something else needs --content-type.')
    }
  }
  return { channel, payload, contentType }
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

async function publishByNats(
  config: Config,
  { channel, payload, contentType }: Draft,
): Promise<void> {
  const broker = await openBroker(() => createBroker(config, systemClock, Math.random))
  const subject = `${config.subjectPrefix}.pub.${channel}`
  const headers = contentType === undefined ? undefined : { 'Content-Type': contentType }
  const result = await broker.publish(subject, payload, headers ?? {})
  await broker.close()
  if (!result.ok) throw new CommandError(`${result.code}: NATS did not take the publication.`)
}

/** Unlike a node, a command does not wait for a server that is away. */
async function openBroker(create: () => Promise<Broker>): Promise<Broker> {
  try {
    const broker = await create()
    await new Promise<void>((resolve, reject) => {
      broker.onEvent((event) => {
        if (event.type === 'connected') resolve()
        if (event.type === 'connect_failed') reject(new Error(event.reason))
      })
      void broker.start()
    })
    return broker
  } catch (error) {
    throw new CommandError(`broker_unavailable: ${messageOf(error)}`)
  }
}

async function publishByHttp(
  url: string,
  bearer: string,
  { channel, payload, contentType }: Draft,
): Promise<void> {
  const headers = { Authorization: bearer, 'Content-Type': 'application/json' }
  let response: Response
  try {
    const signal = AbortSignal.timeout(answerMs)
    const body = bodyOf(channel, payload, contentType)
    response = await fetch(`${url}/v1/publish`, { method: 'POST', headers, body, signal })
  } catch (error) {
    throw new CommandError(`${url} does not answer: ${causeOf(error)}`)
  }
  if (!response.ok) throw new CommandError(await refusalOf(response))
}

/** The payload's own bytes, not what a parser would make of them. */
function bodyOf(channel: Channel, payload: Buffer, contentType: string | undefined): string {
  if (contentType === undefined) return `{"channel":"${channel}","data":${payload.toString()}}`
  return JSON.stringify({ channel, base64: payload.toString('base64'), contentType })
}
