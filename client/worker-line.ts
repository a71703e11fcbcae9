/** A tab's way to the hub in a `SharedWorker`. */
import { Cancellation } from './cancellation.js'
import type { HubLine, HubLineListener } from './shared-connection.js'
import type { LockQueue } from './tab-election.js'
import { isRecord, readHubMessage, type TabMessage } from './tab-messages.js'

/** What a worker says to each tab first: while it lives it has this lock, which no other has. */
export interface LifeSign {
  readonly type: 'alive'
  readonly lock: string
}

/** What is needed of a `SharedWorker`. */
export interface WorkerHandle {
  readonly port: WorkerPort
  /** Its script could not be had. */
  addEventListener(type: 'error', listener: () => void): void
}

/** What is needed of a `MessagePort`. */
export interface WorkerPort {
  /** What the other end says. */
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  /** The other end is gone, where the platform tells that. */
  addEventListener(type: 'close', listener: () => void): void
  /** Messages come from then on. */
  start(): void
  /** Any JSON. */
  postMessage(message: unknown): void
  /** Nothing comes from then on. */
  close(): void
}

export class WorkerLine implements HubLine {
  readonly #port: WorkerPort
  readonly #listener: HubLineListener
  readonly #locks: LockQueue | undefined
  readonly #life = new Cancellation()

  /** @param locks where the platform has them; else a worker that crashed is only silent */
  constructor({ port }: WorkerHandle, listener: HubLineListener, locks?: LockQueue) {
    this.#port = port
    this.#listener = listener
    this.#locks = locks
    port.addEventListener('message', ({ data }) => this.#hear(data))
    port.addEventListener('close', () => this.#lose())
    port.start()
    queueMicrotask(() => listener.found())
  }

  send(message: TabMessage): void {
    this.#port.postMessage(message)
  }

  close(): void {
    this.#life.cancel(undefined)
    this.#port.close()
  }

  #hear(data: unknown): void {
    const message = readHubMessage(data)
    if (message !== undefined) return this.#listener.hear(message)
    if (!isRecord(data) || data['type'] !== 'alive') return
    const { signal } = this.#life
    // Who is given it is the worker's heir: it has died.
    const inherited = this.#locks?.request(String(data['lock']), { signal }, async () => {
      this.#lose()
    })
    inherited?.catch(() => undefined)
  }

  #lose(): void {
    this.#listener.lost('the worker has ended')
  }
}
