/** A tab's way to the hub in a `SharedWorker`. */
import type { HubLine, HubLineListener } from './shared-connection.js'
import { readHubMessage, type TabMessage } from './tab-messages.js'

/** What is needed of a `SharedWorker`. */
export interface WorkerHandle {
  readonly port: WorkerPort
  /** Its script could not be had. */
  addEventListener(type: 'error', listener: () => void): void
}

/** What is needed of a `MessagePort`. */
export interface WorkerPort {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: 'close', listener: () => void): void
  start(): void
  postMessage(message: unknown): void
  close(): void
}

export class WorkerLine implements HubLine {
  readonly #port: WorkerPort

  constructor({ port }: WorkerHandle, listener: HubLineListener) {
    this.#port = port
    port.addEventListener('message', ({ data }) => {
      const message = readHubMessage(data)
      if (message !== undefined) listener.hear(message)
    })
    // Where the platform says it; else nothing answers any more.
    port.addEventListener('close', () => listener.lost('the worker has ended'))
    port.start()
    queueMicrotask(() => listener.found())
  }

  send(message: TabMessage): void {
    this.#port.postMessage(message)
  }

  close(): void {
    this.#port.close()
  }
}
