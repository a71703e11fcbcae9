/** A request of JetStream's API, as a plain NATS client makes it. */
import type { NatsConnection } from '@nats-io/transport-node'

const timeoutMs = 20_000

/** Rejects if it is refused. */
export async function jetStreamRequest(
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
