/** JetStream as plain requests, for tests that set up streams and look at them. */
import type { NatsConnection } from '@nats-io/transport-node'

const patienceMs = 2_000

export interface StreamInfo {
  readonly created: string
  readonly config: Readonly<Record<string, unknown>>
  readonly state: {
    readonly messages: number
    readonly first_seq: number
    readonly last_seq: number
  }
  readonly cluster?: {
    readonly leader?: string
    readonly replicas?: readonly StreamReplica[]
  }
}

export interface StreamReplica {
  readonly name: string
  readonly current: boolean
  readonly offline?: boolean
  readonly lag?: number
}

export interface PublishAck {
  readonly stream: string
  readonly seq: number
  readonly duplicate?: boolean
}

/** Rejects with what JetStream says is wrong, or when it does not answer. */
export async function askJetStream<T>(
  connection: NatsConnection,
  subject: string,
  body: object = {},
): Promise<T> {
  const options = { timeout: patienceMs }
  const message = await connection.request(`$JS.API.${subject}`, JSON.stringify(body), options)
  const answer = message.json<T & { readonly error?: { readonly description: string } }>()
  if (answer.error !== undefined) throw new Error(`${subject}: ${answer.error.description}`)
  return answer
}

export function streamInfo(connection: NatsConnection, stream: string): Promise<StreamInfo> {
  return askJetStream(connection, `STREAM.INFO.${stream}`)
}

/** As Tidegate has it for a namespace: `rt.pub.<namespace>.>`, republished to `rt.live.…`. */
export function createStream(
  connection: NatsConnection,
  namespace: string,
  config: object = {},
): Promise<StreamInfo> {
  const name = `rt_${namespace}`
  return askJetStream(connection, `STREAM.CREATE.${name}`, {
    name,
    subjects: [`rt.pub.${namespace}.>`],
    republish: { src: 'rt.pub.>', dest: 'rt.live.>' },
    retention: 'limits',
    discard: 'old',
    storage: 'file',
    num_replicas: 1,
    allow_direct: true,
    ...config,
  })
}

/** Resolves when it is stored; rejects with what JetStream says, or when no ack comes. */
export async function publishAcked(
  connection: NatsConnection,
  subject: string,
  payload: string,
): Promise<PublishAck> {
  const message = await connection.request(subject, payload, { timeout: patienceMs })
  const ack = message.json<PublishAck & { readonly error?: { readonly description: string } }>()
  if (ack.error !== undefined) throw new Error(`${subject}: ${ack.error.description}`)
  return ack
}
