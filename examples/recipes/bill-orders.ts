/** A service on Node that bills the orders of one shop, until it is told to stop. */
import { readFile } from 'node:fs/promises'
import {
  EventStreamTransport,
  gapSentence,
  LongPollTransport,
  Tidegate,
  WebSocketTransport,
} from '@tidegate/client'
import { WebSocket } from 'ws'

const { GATEWAY = 'http://127.0.0.1:8080', TOKEN_FILE = 'token' } = process.env

interface Order {
  readonly id: number
  readonly total: number
}

const tidegate = new Tidegate(GATEWAY, {
  // Read anew each time it is asked for: whoever writes the file renews the token.
  token: async () => (await readFile(TOKEN_FILE, 'utf8')).trim(),
  // Node has a WebSocket of its own from version 22 on, and then this is the default.
  transports: [
    new WebSocketTransport((url, protocols) => new WebSocket(url, protocols)),
    new EventStreamTransport(),
    new LongPollTransport(),
  ],
})
process.once('SIGTERM', () => tidegate.close())

const orders = tidegate.channel<Order>('orders.shop-7')
orders.on('subscribed', () => console.log('listening'))
orders.on('gap', (gap) => console.error(gapSentence(gap)))
// Ends with `close()`. Throws, and so ends the service, where coming back is of no use.
for await (const { data } of orders) console.log(`bill ${data.total} for order ${data.id}`)
