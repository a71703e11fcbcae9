/** `tidegate tail`: subscribes by an event stream and prints a line a publication. */
import { parseArgs } from 'node:util'
import { Chain } from '../client/chain.js'
import { gapSentence } from '../client/gap-sentence.js'
import { systemClock as clock } from '../client/system-clock.js'
import type { GapFrame } from '../shared/frames.js'
import { limits } from '../shared/limits.js'
import { isChannel } from '../shared/channel.js'
import { isPattern } from '../shared/pattern.js'
import { CommandError, UsageError, type Command, type Terminal } from './command.js'
import { EventReader, type StreamEvent } from './event-reader.js'
import { bearerOf, causeOf, gatewayUrl, refusalOf } from './gateway-request.js'
import { parsePublication, publicationLine } from './publication-line.js'
import { RecoveredCount } from './recovered.js'

const help = `tidegate tail <channel>…

Subscribes to channels and patterns, and prints a line a publication until Ctrl-C ends it, or until
all of the channels have ended. When the connection breaks it goes on where it was, and says what it
recovered; of what is lost it says where that lay, and why.
  --last   begin with the newest so many of each durable channel, 1 to ${limits.lastMax}
  --url    the gateway (default http://127.0.0.1:8080)
  --token  the token that may subscribe (default: TIDEGATE_TOKEN)
  --json   print each publication as the gateway's JSON`

const retryMsDefault = 2_000
/** Heartbeats that may be missed before the connection counts as dead. */
const missedMax = 3

export const tailCommand: Command = {
  name: 'tail',
  summary: 'print what is published in channels',
  help,
  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        url: { type: 'string' },
        token: { type: 'string' },
        last: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    })
    if (positionals.length === 0) throw new UsageError('Give at least one channel.')
    const bad = positionals.find((name) => !isChannel(name) && !isPattern(name))
    if (bad !== undefined) throw new UsageError(`${bad}: is no channel or pattern.`)
    const last = values.last === undefined ? '' : `&last=${countOf(values.last)}`
    const url = `${gatewayUrl(values.url)}/v1/events?channels=${positionals.join(',')}${last}`
    const tail = new Tail(url, bearerOf(values.token, terminal), values.json, terminal)
    const stop = (): void => tail.stop()
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
    await tail.run()
    return 0
  },
}

function countOf(text: string): number {
  const count = Number(text)
  if (/^\d{1,9}$/.test(text) && count >= 1 && count <= limits.lastMax) return count
  throw new UsageError(`--last: must be a whole number from 1 to ${limits.lastMax}.`)
}

interface Welcome {
  readonly heartbeatSeconds: number
  readonly subscriptions?: readonly string[]
}

class Tail {
  readonly #url: string
  readonly #bearer: string
  readonly #isJson: boolean
  readonly #terminal: Terminal
  readonly #stopped = new AbortController()
  /** Ends the request that is under way. */
  #attempt = new AbortController()
  #cancelWatch: () => void = () => {}
  #silenceMsMax: number | undefined
  #cursor = ''
  #retryMs = retryMsDefault
  #hasConnected = false
  readonly #chain = new Chain()
  readonly #recovered: RecoveredCount
  readonly #ended = new Set<string>()
  /** All names of the stream, those of the token too. */
  #names: readonly string[] = []

  constructor(url: string, bearer: string, isJson: boolean, terminal: Terminal) {
    this.#url = url
    this.#bearer = bearer
    this.#isJson = isJson
    this.#terminal = terminal
    this.#recovered = new RecoveredCount(clock, (sentence) => terminal.err(sentence))
  }

  stop(): void {
    this.#stopped.abort()
    this.#attempt.abort()
  }

  /** Until it is stopped, all has ended, or it is refused for what waiting does not mend. */
  async run(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      let reason = 'the stream ended'
      try {
        if (await this.#follow()) return this.#terminal.err('All channels have ended.')
      } catch (error) {
        if (error instanceof CommandError) throw error
        reason = causeOf(error)
      }
      this.#cancelWatch()
      this.#recovered.interrupt()
      if (signal.aborted) return
      this.#tellInterruption(reason)
      await new Promise<void>((resolve) => {
        const cancel = clock.after(this.#retryMs, resolve)
        signal.addEventListener('abort', () => {
          cancel()
          resolve()
        })
      })
    }
  }

  #tellInterruption(reason: string): void {
    const seconds = (this.#retryMs / 1000).toFixed(1)
    if (!this.#hasConnected) {
      return this.#terminal.err(`Cannot connect (${reason}); tries again in ${seconds} s.`)
    }
    const from = this.#cursor === '' ? 'from now on' : 'where it was'
    this.#terminal.err(`Disconnected (${reason}); goes on ${from} in ${seconds} s.`)
  }

  /** True: all channels have ended. */
  async #follow(): Promise<boolean> {
    this.#attempt = new AbortController()
    const response = await fetch(this.#url, {
      headers: {
        Accept: 'text/event-stream',
        Authorization: this.#bearer,
        ...(this.#cursor !== '' && { 'Last-Event-ID': this.#cursor }),
      },
      signal: this.#attempt.signal,
    })
    if (response.status === 204) return true
    if (response.status !== 200) {
      const refusal = await refusalOf(response)
      const isPassing = response.status === 429 || response.status >= 500
      throw isPassing ? new Error(refusal) : new CommandError(refusal)
    }
    const reader = new EventReader()
    reader.lastEventId = this.#cursor
    const decoder = new TextDecoder()
    for await (const bytes of response.body ?? []) {
      this.#watch()
      for (const event of reader.push(decoder.decode(bytes, { stream: true }))) this.#hear(event)
      this.#cursor = reader.lastEventId
      this.#retryMs = reader.retryMs ?? this.#retryMs
    }
    const areOver = this.#names.length > 0 && this.#names.every((name) => this.#ended.has(name))
    if (areOver) this.#recovered.end()
    return areOver
  }

  /** A peer that vanished without a word is noticed by its missing heartbeats. */
  #watch(): void {
    this.#cancelWatch()
    if (this.#silenceMsMax === undefined) return
    this.#cancelWatch = clock.after(this.#silenceMsMax, () => {
      this.#attempt.abort(new Error('no heartbeat came'))
    })
  }

  #hear({ name, data }: StreamEvent): void {
    const { err } = this.#terminal
    // Line breaks of a payload lie between tokens: JSON has none inside a string.
    const json = data
      .split('\n')
      .map((line) => line.trim())
      .join(' ')
    switch (name) {
      case 'message':
        return this.#print(json)
      case 'welcome': {
        const { heartbeatSeconds, subscriptions = [] } = JSON.parse(data) as Welcome
        this.#names = subscriptions
        this.#silenceMsMax = missedMax * heartbeatSeconds * 1000
        err(this.#hasConnected ? 'Connected again.' : 'Connected.')
        if (this.#hasConnected && this.#cursor !== '') this.#recovered.begin()
        this.#hasConnected = true
        return
      }
      case 'gap': {
        const gap = JSON.parse(data) as GapFrame
        this.#chain.gap(gap)
        this.#recovered.lose()
        return err(`Gap: ${gapSentence(gap)}.`)
      }
      case 'ended': {
        const { channel } = JSON.parse(data) as { channel: string }
        if (this.#ended.has(channel)) return
        this.#ended.add(channel)
        return err(`${channel} has ended.`)
      }
      case 'problem': {
        const { code, detail } = JSON.parse(data) as { code: string; detail: string }
        return err(`${code}: ${detail}`)
      }
      default:
        return err(`${name}: ${json}`)
    }
  }
  /** What comes again was printed before; where something is missing it is asked for again. */
  #print(json: string): void {
    const publication = parsePublication(json)
    const { channel, offset, time } = publication
    const link = this.#chain.check(publication)
    if (link === 'broken') {
      throw new Error(`something before offset ${offset} of ${channel} has not come`)
    }
    if (!this.#chain.add(publication)) return
    this.#ended.delete(channel)
    this.#terminal.out(this.#isJson ? json : publicationLine(json, publication))
    this.#recovered.take(time)
  }
}
