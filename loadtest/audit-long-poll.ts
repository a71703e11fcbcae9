/** A long-poll under audit: one request after another, each with the cursor of the last answer. */
import { isChannel } from '../shared/channel.js'
import { AuditSubscriber, type GapBody, type PublicationBody } from './audit-subscriber.js'
import { startsOf } from './cursor-start.js'

interface PollAnswer {
  readonly cursor: string
  readonly publications: readonly PublicationBody[]
  readonly gaps: readonly GapBody[]
  readonly ended: readonly string[]
  readonly recovered: Readonly<Record<string, boolean>>
}

const waitSeconds = 20

export class AuditLongPoll extends AuditSubscriber {
  #cursor: string | undefined = undefined

  /** A connection, to the record, is a row of polls at one node that were all answered. */
  protected override async connect(node: string, signal: AbortSignal): Promise<void> {
    // The first does not wait: its answer shows that the node is there.
    for (let wait = 0; !signal.aborted; wait = waitSeconds) {
      const answer = await this.#ask(node, wait, signal)
      if (answer === undefined) return this.finish()
      if (!signal.aborted) this.#take(answer, wait === 0)
    }
  }

  /** Undefined: every channel has ended. */
  async #ask(node: string, wait: number, signal: AbortSignal): Promise<PollAnswer | undefined> {
    const { names: channels, token } = this.options
    const response = await fetch(`${node}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ channels, cursor: this.#cursor, wait }),
      signal,
    })
    if (response.status === 204) return undefined
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    return (await response.json()) as PollAnswer
  }

  #take(answer: PollAnswer, isFirst: boolean): void {
    this.connected()
    const { recovered, gaps, publications } = answer
    const starts = startsOf(this.options.names, this.#cursor, answer.cursor)
    for (const start of starts) {
      const { name, shown } = start
      const isUnbroken = recovered[name] !== false
      // Each poll of a pattern goes on from a verified offset: it recovers (PROTOCOL 14.7).
      if (!isFirst && isUnbroken && isChannel(name)) continue
      // What it begins with is where it was, for it has not been given the rest yet.
      const epoch = shown?.epoch ?? start.epoch
      this.record({ ...start, epoch, ...(name in recovered && { recovered: isUnbroken }) })
    }
    this.#cursor = answer.cursor
    for (const { name, shown } of starts) {
      const own = publications.filter(({ channel, pattern = channel }) => pattern === name)
      const ownGaps = gaps.filter(({ channel }) => channel === name)
      this.#takeOf(own, ownGaps, shown?.offset ?? 0)
    }
    for (const name of answer.ended) this.record({ type: 'ended', name })
  }

  /** A gap stands where its bounds say; a new history is told before what it holds. */
  #takeOf(own: PublicationBody[], gaps: readonly GapBody[], shown: number): void {
    for (const gap of gaps) {
      for (const publication of own.splice(0, placeOf(gap, own, shown))) {
        this.recordPublication(publication)
      }
      this.recordGap(gap)
    }
    for (const publication of own) this.recordPublication(publication)
  }
}

/** How many of the publications come before the gap. */
function placeOf({ before }: GapBody, own: readonly PublicationBody[], shown: number): number {
  const next = own.findIndex(({ offset = 0 }) => {
    // A new history begins from the start, the old one goes on behind what the poll showed.
    return before === undefined ? offset <= shown : offset >= before
  })
  return next === -1 ? own.length : next
}
