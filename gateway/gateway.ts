/** A gateway node: its engine, its routes, its connections, from listening to leaving. */
import { randomBytes } from 'node:crypto'
import type { TemplatedApp, us_listen_socket, us_socket } from 'uWebSockets.js'
import { namespaceOf } from '../shared/channel.js'
import type { Clock } from '../hub/clock.js'
import { duplicateWindowMs } from '../hub/history-layout.js'
import type { Hub } from '../hub/hub.js'
import type { Namespaces } from '../hub/namespaces.js'
import { nextTurn } from '../hub/next-turn.js'
import { SteadyClock } from '../hub/steady-clock.js'
import { addAssets, type Assets } from './assets.js'
import type { Authenticator } from './authenticator.js'
import { CatchUpQueue } from './catch-up-queue.js'
import type { Counters } from './counters.js'
import { CursorScopes } from './cursor-scope.js'
import { DueWheel } from './due-wheel.js'
import type { Engine } from './engine.js'
import { FlushQueue, whenRisen } from './flush-queue.js'
import { Heartbeats } from './heartbeats.js'
import type { OnInternalError } from './internal-error.js'
import type { Node, NodeSettings } from './node.js'
import { Origins } from './origins.js'
import { OutboxBudget } from './outbox-budget.js'
import { Outbox } from './outbox.js'
import { addRoutes } from './routes.js'

/** The settings of a gateway; the configuration satisfies it. */
export interface GatewaySettings extends NodeSettings {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly allowedOrigins: readonly string[]
  readonly outboxBytesMax: number
  readonly outboxesBytesMax: number
  readonly shutdownGraceSeconds: number
}

export interface GatewayOptions {
  readonly engine: Engine
  readonly settings: GatewaySettings
  readonly hub: Hub
  readonly authenticator: Authenticator
  readonly clock: Clock
  readonly random: () => number
  readonly counters: Counters
  readonly onInternalError: OnInternalError
  /** How long the first publication of a batch took from its arrival to the flush. */
  readonly observeDelay?: (delayMs: number) => void
  /** Files served beside the API; only the demo of the development start has any. */
  readonly assets?: Assets
}

export interface Gateway {
  /** The port that it listens on. */
  readonly port: number
  /** Random, new at each start. */
  readonly nodeId: string
  readonly outbox: OutboxBudget
  /** Tells every connection to go elsewhere; resolves when all have left or the grace is over. */
  close(): Promise<void>
}

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`: without it a second start would share the port in silence. */
const exclusivePort = 1
/** The engine does not say which of them it is. */
const whyNot = 'the address or port is in use, not allowed or not of this machine'
const leaveSliceMax = 1000
const leftCheckMs = 20
/** For bytes that are still in the engine, which does not tell when they have left. */
const unsentMsMax = 2000

/** Rejects if the port cannot be had. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { settings, engine, hub } = options
  const clock = new SteadyClock(options.clock)
  const { onInternalError } = options
  const forget = (): void => Outbox.forget()
  const { observeDelay = () => {} } = options
  const { deliveries } = options.counters
  const delivered = whenRisen(() => deliveries.websocket + deliveries.sse, observeDelay)
  const { counters, durable } = hub
  const received = (): number => counters.deliveries + durable.counters.deliveries
  const answered = whenRisen(received, observeDelay)
  const node: Node = {
    id: randomBytes(8).toString('hex'),
    settings,
    hub,
    authenticator: options.authenticator,
    clock,
    duplicateWindowSeconds: duplicateWindowSeconds(settings.namespaces),
    random: options.random,
    counters: options.counters,
    flushQueue: new FlushQueue(delivered, forget, onInternalError),
    answerQueue: new FlushQueue(answered, undefined, onInternalError),
    catchUpQueue: new CatchUpQueue(onInternalError),
    heartbeats: new Heartbeats(durable),
    wheel: new DueWheel(clock, onInternalError),
    outbox: new OutboxBudget(settings.outboxBytesMax, settings.outboxesBytesMax),
    origins: new Origins(settings.allowedOrigins),
    welcomed: 0,
    isDraining: false,
    largeAnswerAt: -Infinity,
    onInternalError,
  }
  const app = engine.App()
  if (options.assets !== undefined) addAssets(app, options.assets, node)
  const isDurable = (name: string): boolean => durable.get(namespaceOf(name)) !== undefined
  addRoutes(app, node, new CursorScopes(node.id, isDurable))
  const socket = await listen(app, settings.host, settings.port)
  // The type says "socket", and a listening one is meant.
  const port = engine.us_socket_local_port(socket as us_socket)
  const close = async (): Promise<void> => {
    node.isDraining = true
    engine.us_listen_socket_close(socket)
    await leave(node, settings.shutdownGraceSeconds)
    node.wheel.stop()
    app.close()
  }
  let closing: Promise<void> | undefined
  return {
    port,
    nodeId: node.id,
    outbox: node.outbox,
    // Once only: after the first call the engine has freed the listen socket.
    close: () => (closing ??= close()),
  }
}

/** What a client may rely on before it knows in which namespace it publishes. */
function duplicateWindowSeconds(namespaces: Namespaces): number | undefined {
  const windows = [...namespaces.values()].flatMap(({ history }) =>
    history === undefined ? [] : [duplicateWindowMs(history) / 1000],
  )
  return windows.length === 0 ? undefined : Math.min(...windows)
}

function listen(app: TemplatedApp, host: string, port: number): Promise<us_listen_socket> {
  return new Promise((resolve, reject) => {
    const onListen = (socket: us_listen_socket | false): void => {
      if (socket !== false) resolve(socket)
      else reject(new Error(`Cannot listen on ${host}:${port}: ${whyNot}.`))
    }
    // The engine takes host, port, options and callback; its types know only three of them.
    const withHost = app.listen as unknown as (
      host: string,
      port: number,
      options: number,
      callback: (socket: us_listen_socket | false) => void,
    ) => void
    withHost.call(app, host, port, exclusivePort, onListen)
  })
}

/** In slices, so that the loop goes on reading: an answer may be on its way. */
async function leave(node: Node, graceSeconds: number): Promise<void> {
  const { clock, wheel } = node
  const deadline = clock.now() + graceSeconds * 1000
  node.flushQueue.flushAll()
  let isUnsent = false
  let count = 0
  for (const item of [...wheel.items()]) {
    // Only before it leaves: for us it is gone at once, for the engine when its bytes have left.
    isUnsent ||= node.outbox.bytes > 0
    try {
      item.leave()
    } catch (error) {
      node.onInternalError(error)
    }
    count += 1
    if (count % leaveSliceMax === 0) await nextTurn()
  }
  node.flushQueue.flushAll()
  while (open(node) > 0 && clock.now() < deadline) await pause(clock, leftCheckMs)
  isUnsent ||= clock.now() - node.largeAnswerAt < unsentMsMax
  const restMs = Math.min(deadline - clock.now(), unsentMsMax)
  if (isUnsent && restMs > 0) await pause(clock, restMs)
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}

function open({ counters }: Node): number {
  const { websocket, sse, poll } = counters.connections
  return websocket + sse + poll + counters.requestsPending
}
