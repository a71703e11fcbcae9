/** One pass over a stream from a sequence to its end, made as the gateway makes it. */
import { createInbox, nuid, type Msg, type NatsConnection } from '@nats-io/transport-node'

const timeoutMs = 20_000
const nsPerSecond = 1_000_000_000

/** How many messages came. */
export async function scanStream(
  connection: NatsConnection,
  stream: string,
  from: number,
): Promise<number> {
  const inbox = createInbox()
  const consumer = nuid.next()
  let count = 0
  let ended: () => void = () => {}
  const hasEnded = new Promise<void>((resolve) => (ended = resolve))
  const subscription = connection.subscribe(inbox, {
    callback: (_error, message) => {
      if (pendingOf(message) === undefined) return goOn(connection, message)
      count += 1
      if (pendingOf(message) === 0) ended()
    },
  })
  await request(connection, `STREAM.INFO.${stream}`, undefined)
  await request(connection, `CONSUMER.CREATE.${stream}.${consumer}`, {
    stream_name: stream,
    action: 'create',
    config: {
      name: consumer,
      deliver_subject: inbox,
      deliver_policy: 'by_start_sequence',
      opt_start_seq: from,
      ack_policy: 'none',
      max_deliver: 1,
      replay_policy: 'instant',
      mem_storage: true,
      num_replicas: 1,
      flow_control: true,
      idle_heartbeat: nsPerSecond,
      inactive_threshold: 5 * nsPerSecond,
    },
  })
  await hasEnded
  subscription.unsubscribe()
  await request(connection, `CONSUMER.DELETE.${stream}.${consumer}`, undefined)
  return count
}

/** A request of JetStream's API; rejects if it is refused. */
export async function request(
  connection: NatsConnection,
  subject: string,
  body: object | undefined,
): Promise<Readonly<Record<string, unknown>>> {
  const payload = body === undefined ? '' : JSON.stringify(body)
  const answer = await connection.request(`$JS.API.${subject}`, payload, { timeout: timeoutMs })
  const value = answer.json<Readonly<Record<string, unknown>>>()
  if (value['error'] === undefined) return value
  throw new Error(`JetStream refused ${subject}: ${JSON.stringify(value['error'])}`)
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<time>.<pending>`. */
function pendingOf({ reply = '' }: Msg): number | undefined {
  if (!reply.startsWith('$JS.ACK.')) return undefined
  return Number(reply.slice(reply.lastIndexOf('.') + 1))
}

/** Flow control asks by the reply subject, a stalled consumer by its heartbeat. */
function goOn(connection: NatsConnection, { reply, headers }: Msg): void {
  const asked = reply ?? headers?.last('Nats-Consumer-Stalled') ?? ''
  if (asked !== '') connection.publish(asked)
}
