/** The publications of one durable namespace in memory, within the same limits as a stream. */
import { randomBytes } from 'node:crypto'
import type { Channel } from '../shared/channel.js'
import type { HistoryState, StoredPublication } from './history.js'
import { duplicateWindowMs } from './history-layout.js'
import type { HistorySettings } from './namespaces.js'

/** What one costs beside its payload and its texts, about as much as JetStream counts. */
const overheadBytes = 64
const messageIdsMax = 100_000

/** In one list of all publications, by offset. */
interface Node {
  readonly publication: StoredPublication
  readonly bytes: number
  older: Node | undefined
  newer: Node | undefined
}

/** What is stored: everything but what the store itself says. */
export type Arrived = Omit<StoredPublication, 'offset' | 'time'>

export interface Stored {
  readonly publication: StoredPublication
  /** The offset before it in its channel; 0: nothing older is kept. */
  readonly previous: number
}

export class MemoryStream {
  readonly #settings: HistorySettings
  readonly #now: () => number
  readonly #channels = new Map<Channel, Node[]>()
  /** Ids of publishers, oldest first: the same one within the window is the same publication. */
  readonly #messageIds = new Map<string, { readonly offset: number; readonly time: number }>()
  #epoch: string = newEpoch()
  #oldest: Node | undefined = undefined
  #newest: Node | undefined = undefined
  #last = 0
  #lastTime = 0
  #bytes = 0

  constructor(settings: HistorySettings, now: () => number) {
    this.#settings = settings
    this.#now = now
  }

  state(): HistoryState {
    this.expire()
    const first = this.#oldest?.publication.offset ?? this.#last + 1
    return { epoch: this.#epoch, first, last: this.#last }
  }

  /** The offset of the publication that had this id within the window. */
  duplicateOf(messageId: string): number | undefined {
    this.expire()
    return this.#messageIds.get(messageId)?.offset
  }

  store(arrived: Arrived, messageId: string | undefined): Stored {
    this.expire()
    const nodes = this.#nodesOf(arrived.channel)
    const previous = nodes.at(-1)?.publication.offset ?? 0
    this.#last += 1
    // Time goes forward with the offsets, whatever the clock does.
    this.#lastTime = Math.max(this.#lastTime, this.#now())
    const publication = { ...arrived, offset: this.#last, time: this.#lastTime }
    const node = { publication, bytes: bytesOf(publication), older: this.#newest, newer: undefined }
    if (this.#newest === undefined) this.#oldest = node
    else this.#newest.newer = node
    this.#newest = node
    nodes.push(node)
    this.#bytes += node.bytes
    if (messageId !== undefined) this.#remember(messageId, publication)
    if (nodes.length > this.#settings.messagesPerChannel) this.#remove(nodes[0])
    while (this.#bytes > this.#settings.maxBytes) this.#remove(this.#oldest)
    return { publication, previous }
  }

  newestOf(channel: Channel): StoredPublication | undefined {
    this.expire()
    return this.#channels.get(channel)?.at(-1)?.publication
  }

  /** In the order of offsets. What is stored or removed meanwhile may be missed. */
  *channelFrom(channel: Channel, from: number): Generator<StoredPublication, void, undefined> {
    this.expire()
    const nodes = [...(this.#channels.get(channel) ?? [])]
    for (const { publication } of nodes) if (publication.offset >= from) yield publication
  }

  /** All of them, in the order of offsets, with what is stored meanwhile. */
  *allFrom(from: number): Generator<StoredPublication, void, undefined> {
    this.expire()
    let node = this.#newest
    if (node === undefined || node.publication.offset < from) return
    while (node.older !== undefined && node.older.publication.offset >= from) node = node.older
    for (let next: Node | undefined = node; next !== undefined; next = next.newer) {
      yield next.publication
    }
  }

  /** Lets go of what is older than the namespace allows. */
  expire(): void {
    const now = this.#now()
    const before = now - this.#settings.maxAgeSeconds * 1_000
    while (this.#oldest !== undefined && this.#oldest.publication.time <= before) {
      this.#remove(this.#oldest)
    }
    const windowStart = now - duplicateWindowMs(this.#settings)
    for (const [messageId, { time }] of this.#messageIds) {
      if (time > windowStart && this.#messageIds.size <= messageIdsMax) break
      this.#messageIds.delete(messageId)
    }
  }

  /** Removes all of it; offsets go on. */
  purge(): void {
    while (this.#oldest !== undefined) this.#remove(this.#oldest)
  }

  /** Removes one, wherever it is. */
  delete(offset: number): void {
    let node = this.#newest
    while (node !== undefined && node.publication.offset > offset) node = node.older
    if (node?.publication.offset === offset) this.#remove(node)
  }

  /** As a backup that is restored: what came after `last` never was, and its offsets come again. */
  rewind(last: number): void {
    while (this.#newest !== undefined && this.#newest.publication.offset > last) {
      this.#remove(this.#newest)
    }
    this.#messageIds.clear()
    this.#last = last
  }

  /** Deleted and made anew. */
  wipe(): void {
    this.purge()
    this.#messageIds.clear()
    this.#last = 0
    this.#epoch = newEpoch()
  }

  #nodesOf(channel: Channel): Node[] {
    let nodes = this.#channels.get(channel)
    if (nodes === undefined) this.#channels.set(channel, (nodes = []))
    return nodes
  }

  #remember(messageId: string, { offset, time }: StoredPublication): void {
    this.#messageIds.delete(messageId)
    this.#messageIds.set(messageId, { offset, time })
  }

  #remove(node: Node | undefined): void {
    if (node === undefined) return
    if (node.older === undefined) this.#oldest = node.newer
    else node.older.newer = node.newer
    if (node.newer === undefined) this.#newest = node.older
    else node.newer.older = node.older
    this.#bytes -= node.bytes
    const { channel } = node.publication
    const nodes = this.#nodesOf(channel)
    // The oldest of its channel, but for a deletion or a rewind.
    if (nodes[0] === node) nodes.shift()
    else nodes.splice(nodes.lastIndexOf(node), 1)
    if (nodes.length === 0) this.#channels.delete(channel)
  }
}

function bytesOf({ channel, sender, contentType, payload }: StoredPublication): number {
  const texts = channel.length + (sender?.length ?? 0) + (contentType?.length ?? 0)
  return payload.length + texts + overheadBytes
}

function newEpoch(): string {
  return randomBytes(6).toString('hex')
}
