/** The bare engine as a process of its own: what the gateway's cost is compared with. */
import { connect } from '@nats-io/transport-node'
import { loadEngine, type EngineResponse } from './bare-loader.js'

/** What it tells its parent once it listens. */
export interface BareEngineStarted {
  readonly listening: number
  readonly build: string
}

const topic = 'all'
const [natsUrl = '', subject = ''] = process.argv.slice(2)
const { engine, build } = loadEngine()
const app = engine.App()

app.ws('/ws', {
  // As the engine has it by default, but for the limits, which are the gateway's.
  idleTimeout: 120,
  maxPayloadLength: 1024 * 1024,
  maxBackpressure: 1024 * 1024,
  open: (socket) => void socket.subscribe(topic),
})

app.get('/sse', (res) => {
  res.onAborted(ignoreAbort)
  res.writeHeader('Content-Type', 'text/event-stream')
  res.write(': ok\n\n')
})

app.get('/poll', (res, req) => {
  const waitMs = Number(req.getQuery('wait')) * 1000
  if (waitMs === 0) answerPoll(res)
  else {
    const timer = setTimeout(() => res.cork(() => answerPoll(res)), waitMs)
    res.onAborted(() => clearTimeout(timer))
  }
})

const nats = await connect({ servers: natsUrl, maxReconnectAttempts: -1 })
nats.subscribe(subject, {
  callback: (_error, message) => void app.publish(topic, message.data, false),
})
await nats.flush()

app.listen('127.0.0.1', 0, (listenSocket) => {
  const started: BareEngineStarted = {
    listening: engine.us_socket_local_port(listenSocket),
    build,
  }
  process.send?.(started)
})

function answerPoll(res: EngineResponse): void {
  res.writeHeader('Content-Type', 'application/json')
  res.end('{}')
}

function ignoreAbort(): void {}
