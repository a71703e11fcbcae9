/** Transports whose connections a test speaks for. */
import type {
  ClosedEvent,
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  Publication,
  Transport,
  TransportName,
} from '../transport.js'

export class FakeConnection implements Connection {
  readonly request: ConnectionRequest
  readonly say: (event: ConnectionEvent) => void
  readonly updates: (readonly string[])[] = []
  readonly #canUpdate: boolean
  checks = 0
  isClosed = false

  constructor(
    request: ConnectionRequest,
    say: (event: ConnectionEvent) => void,
    canUpdate: boolean,
  ) {
    this.request = request
    this.say = say
    this.#canUpdate = canUpdate
  }

  update(channels: readonly string[]): boolean {
    this.updates.push(channels)
    return this.#canUpdate
  }

  check(): void {
    this.checks += 1
  }

  close(): void {
    this.isClosed = true
  }

  welcome(): void {
    this.say({ type: 'welcome' })
  }

  /** As each transport does: what has come before is not heard again. */
  publish(publication: Publication): void {
    if (this.request.progress.take(publication) === 'duplicate') return
    this.say({ type: 'publication', publication })
  }

  lose(event: Partial<ClosedEvent> = {}): void {
    const lost = { code: 'connection_lost', message: 'lost', retryable: true }
    this.say({ type: 'closed', ...lost, ...event })
  }
}

export class FakeTransport implements Transport {
  readonly name: TransportName
  readonly connections: FakeConnection[] = []

  constructor(name: TransportName) {
    this.name = name
  }

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    const connection = new FakeConnection(request, onEvent, this.name === 'websocket')
    this.connections.push(connection)
    return connection
  }

  /** The newest. */
  get connection(): FakeConnection {
    const connection = this.connections.at(-1)
    if (connection === undefined) throw new Error(`${this.name} was never opened`)
    return connection
  }
}
