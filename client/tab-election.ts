/** Tabs without a worker elect one of them: who has the lock holds the connection for all. */
import type { Pace } from './reconnect-pace.js'
import type { HubLine, HubLineListener } from './shared-connection.js'
import type { TabHub, TabHubOptions } from './tab-hub.js'
import {
  isRecord,
  readHubMessage,
  readTabMessage,
  type HubMessage,
  type TabMessage,
} from './tab-messages.js'

/** What is needed of `navigator.locks`. */
export interface LockQueue {
  /** Rejects when it is given up, refused, or stolen. */
  request(
    name: string,
    options: { readonly signal?: AbortSignal; readonly steal?: boolean },
    run: () => Promise<void>,
  ): Promise<void>
}

/** Undefined: this page is not of a secure origin, or the platform has none. */
export function platformLocks(): LockQueue | undefined {
  return (globalThis.navigator as Navigator | undefined)?.locks as LockQueue | undefined
}

/** What is needed of a `BroadcastChannel`. */
export interface Broadcast {
  postMessage(message: unknown): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  close(): void
}

/** Where the tabs of one name meet. */
export interface MeetingPlace {
  readonly lockName: string
  readonly locks: LockQueue
  readonly broadcast: Broadcast
}

type Said = HubMessage | TabMessage | { readonly type: 'leads' }

/** Everything that is said in the broadcast. */
interface Letter {
  readonly from: string
  /** Absent: to all, or to whoever leads. */
  readonly to?: readonly string[] | undefined
  readonly message: Said
}

/**
 * A leader that has not answered by then is frozen, or busy for long. It loses the lock; each tab
 * waits for another time, so that they do not take it from each other.
 */
const stealAfterMs = 4_000
const stealSpreadMs = 2_000

export class TabElection implements HubLine {
  readonly #id: string
  readonly #pace: Pace
  /** Undefined: the platform has none, and this tab has a hub to itself. */
  readonly #place: MeetingPlace | undefined
  readonly #openHub: (send: TabHubOptions['send']) => TabHub
  readonly #listener: HubLineListener
  #isClosed = false
  #leader: string | undefined
  /** While this tab leads. */
  #hub: TabHub | undefined
  #giveUpLock: () => void = () => undefined
  #cancelSteal: () => void = () => undefined

  constructor(
    pace: Pace,
    place: MeetingPlace | undefined,
    openHub: (send: TabHubOptions['send']) => TabHub,
    listener: HubLineListener,
  ) {
    this.#id = Math.floor(pace.random() * 2 ** 52).toString(36)
    this.#pace = pace
    this.#place = place
    this.#openHub = openHub
    this.#listener = listener
    place?.broadcast.addEventListener('message', ({ data }) => this.#read(data))
    queueMicrotask(() => this.#stand())
  }

  send(message: TabMessage): void {
    if (this.#isClosed) return
    if (this.#hub !== undefined) return this.#hub.hear(this.#id, message)
    if (message.type === 'join') this.#stealLater()
    // Who comes or goes says so to whoever it concerns.
    const isForAnyLeader = message.type === 'join' || message.type === 'leave'
    if (this.#leader === undefined && !isForAnyLeader) return
    this.#post(message, this.#leader === undefined ? undefined : [this.#leader])
  }

  close(): void {
    if (this.#isClosed) return
    // Before it is closed: the others are told.
    this.#hub?.close()
    this.#isClosed = true
    this.#cancelSteal()
    this.#giveUpLock()
    this.#place?.broadcast.close()
  }

  #stand(): void {
    if (this.#isClosed) return
    if (this.#place === undefined) return this.#lead()
    this.#request(false)
    this.#listener.found()
  }

  /** The first that waits is given it as soon as the leader is gone, in whatever way. */
  #request(steal: boolean): void {
    const { locks, lockName } = this.#place as MeetingPlace
    const wish = new AbortController()
    this.#giveUpLock = () => wish.abort()
    const hold = (): Promise<void> =>
      new Promise((resolve) => {
        // It may come just as it is given up.
        if (wish.signal.aborted) return resolve()
        this.#giveUpLock = resolve
        this.#lead()
      })
    const options = steal ? { steal } : { signal: wish.signal }
    const held = async (): Promise<void> => locks.request(lockName, options, hold)
    held().catch((error: unknown) => this.#lose(wish.signal, String(error)))
  }

  #lose(wish: AbortSignal, message: string): void {
    if (this.#isClosed || wish.aborted) return
    if (this.#hub !== undefined) return this.#listener.lost(`another tab leads: ${message}`)
    // Locks are forbidden here: it works alone.
    this.#lead()
  }

  #lead(): void {
    this.#cancelSteal()
    this.#hub = this.#openHub((tabs, message) => this.#deliver(tabs, message))
    this.#leader = this.#id
    this.#post({ type: 'leads' })
    this.#listener.found()
  }

  #stealLater(): void {
    this.#cancelSteal()
    const { clock, random } = this.#pace
    this.#cancelSteal = clock.after(stealAfterMs + random() * stealSpreadMs, () => {
      this.#giveUpLock()
      this.#request(true)
    })
  }

  /** What the hub of this tab says. */
  #deliver(tabs: readonly string[], message: HubMessage): void {
    const others = tabs.filter((id) => id !== this.#id)
    if (others.length > 0) this.#post(message, others)
    if (others.length === tabs.length) return
    queueMicrotask(() => {
      if (!this.#isClosed) this.#listener.hear(message)
    })
  }

  #post(message: Said, to?: readonly string[]): void {
    const letter: Letter = { from: this.#id, to, message }
    if (!this.#isClosed) this.#place?.broadcast.postMessage(letter)
  }

  #read(data: unknown): void {
    if (this.#isClosed || !isRecord(data)) return
    const { from, to, message } = data
    if (typeof from !== 'string' || !isRecord(message)) return
    if (Array.isArray(to) && !to.includes(this.#id)) return
    if (this.#hub === undefined) this.#readAsFollower(from, message)
    else {
      const said = readTabMessage(message)
      if (said !== undefined) this.#hub.hear(from, said)
    }
  }

  #readAsFollower(from: string, message: Readonly<Record<string, unknown>>): void {
    if (message['type'] === 'leads') {
      this.#leader = from
      return this.#listener.found()
    }
    const said = readHubMessage(message)
    if (said === undefined) return
    if (said.type === 'updated') {
      this.#leader ??= from
      if (from === this.#leader) this.#cancelSteal()
    }
    if (from !== this.#leader) return
    // Who comes next says so.
    if (said.type === 'gone') this.#leader = undefined
    this.#listener.hear(said)
  }
}
