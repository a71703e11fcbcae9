/** `tidegate publish`: one message, over NATS as a service does or over HTTP as a client. */
import { parseArgs } from 'node:util'
import { loadConfig, variableOf } from '../gateway/config.js'
import { systemClock } from '../gateway/system-clock.js'
import type { Broker } from '../hub/broker.js'
import { isChannel, type Channel } from '../shared/channel.js'
import { createBroker } from './broker.js'
import { CommandError, messageOf, UsageError, type Command, type Terminal } from './command.js'
import { bearerOf, gatewayUrl, refusalOf } from './gateway-request.js'

const natsVariable = variableOf('natsUrls')
const answerMs = 10_000

const help = `tidegate publish <channel> <json>
tidegate publish <channel> - < file
tidegate publish <channel> --content-type text/plain 'any text'

Publishes one message and waits for the answer. Over NATS, as a service does, with --nats or if
${natsVariable} is set (with the other TIDEGATE_NATS_… settings); else over HTTP, as a client does.
  --nats          the NATS server: nats://127.0.0.1:4222
  --url           the gateway (default http://127.0.0.1:8080); given, HTTP is used
  --token         the token that may publish (default: TIDEGATE_TOKEN)
  --content-type  what the payload is, if it is not JSON
  --config        the file with settings (default: TIDEGATE_CONFIG, if set)`

interface Message {
  readonly channel: Channel
  readonly payload: Buffer
  /** Undefined: JSON. */
  readonly contentType: string | undefined
}

export const publishCommand: Command = {
  name: 'publish',
  summary: 'publish one message',
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
    const message = await readMessage(positionals, values['content-type'], terminal)
    const { env } = terminal
    const nats = values.nats ?? (values.url === undefined ? env[natsVariable] : undefined)
    if (nats !== undefined && nats !== '') {
      const file = values.config ?? (env['TIDEGATE_CONFIG'] || undefined)
      await publishByNats({ ...env, [natsVariable]: nats }, file, message)
    } else {
      await publishByHttp(gatewayUrl(values.url), bearerOf(values.token, terminal), message)
    }
    terminal.err(`Published ${message.payload.length} bytes to ${message.channel}.`)
    return 0
  },
}

async function readMessage(
  positionals: readonly string[],
  contentType: string | undefined,
  terminal: Terminal,
): Promise<Message> {
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

async function publishByNats(
  env: Readonly<Record<string, string | undefined>>,
  file: string | undefined,
  { channel, payload, contentType }: Message,
): Promise<void> {
  const config = loadConfig({ env, file })
  const broker = await openBroker(() => createBroker(config, systemClock, Math.random))
  const subject = `${config.subjectPrefix}.pub.${channel}`
  const headers = contentType === undefined ? undefined : { 'Content-Type': contentType }
  const result = await broker.publish(subject, payload, headers ?? {})
  await broker.close()
  if (!result.ok) throw new CommandError(`${result.code}: NATS did not take the message.`)
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
  { channel, payload, contentType }: Message,
): Promise<void> {
  const headers = { Authorization: bearer, 'Content-Type': 'application/json' }
  let response: Response
  try {
    const signal = AbortSignal.timeout(answerMs)
    const body = bodyOf(channel, payload, contentType)
    response = await fetch(`${url}/v1/publish`, { method: 'POST', headers, body, signal })
  } catch (error) {
    throw new CommandError(`${url} does not answer: ${messageOf(error)}`)
  }
  if (!response.ok) throw new CommandError(await refusalOf(response))
}

/** The payload's own bytes, not what a parser would make of them. */
function bodyOf(channel: Channel, payload: Buffer, contentType: string | undefined): string {
  if (contentType === undefined) return `{"channel":"${channel}","data":${payload.toString()}}`
  return JSON.stringify({ channel, base64: payload.toString('base64'), contentType })
}
