/** What a service publishes in durable channels, and what of it a WebSocket client got. */
import type { TestGateway } from './harness.js'
import { mint } from './tokens.js'
import type { ReceivedFrame, TestClient } from './websocket-client.js'

/** Of `orders`, the durable namespace of the tests' gateway. */
export const ordersToken: string = mint({
  sub: 'u1',
  subscribe: ['orders.>', 'chat.>'],
  publish: ['orders.>', 'chat.>'],
})

/** As with a NATS client; it has been stored when this returns. */
export function publish(
  { broker }: TestGateway,
  channel: string,
  data: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  void broker.publish(`rt.pub.${channel}`, Buffer.from(JSON.stringify(data)), headers)
}

export function publishAll(
  gateway: TestGateway,
  channel: string,
  values: readonly unknown[],
): void {
  for (const value of values) publish(gateway, channel, value)
}

export function range(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(to - from, 0) }, (_, at) => from + at)
}

export function publicationsOf({ frames }: TestClient): readonly ReceivedFrame[] {
  return frames.filter(({ type }) => type === 'publication')
}

export function dataOf(client: TestClient): readonly unknown[] {
  return publicationsOf(client).map(({ data }) => data)
}

/** The position that a frame carries. */
export function positionIn({ epoch, offset, time, verified }: ReceivedFrame): object {
  return {
    epoch,
    offset,
    ...(time !== undefined && { time }),
    ...(verified !== undefined && { verified }),
  }
}
