/** `tidegate tail`: subscribes by an event stream and prints a line a publication. */
import { parseArgs } from 'node:util'
import type { Channel } from '../client/channel.js'
import { EventStreamTransport } from '../client/event-stream-transport.js'
import { gapSentence } from '../client/gap-sentence.js'
import type { SessionState } from '../client/session.js'
import { systemClock as clock } from '../client/system-clock.js'
import { Tidegate } from '../client/tidegate.js'
import type { Publication } from '../client/transport.js'
import { isChannel } from '../shared/channel.js'
import { limits } from '../shared/limits.js'
import { isPattern } from '../shared/pattern.js'
import { CommandError, UsageError, type Command, type Terminal } from './command.js'
import { tokenOf, gatewayUrl } from './gateway-request.js'
import { publicationLine } from './publication-line.js'
import { RecoveredCount } from './recovered.js'

const help = `tidegate tail <channel>…

Subscribes to channels and patterns, and prints a line a publication until Ctrl-C ends it, or until
all of the channels have ended. When the connection breaks it goes on where it was, and says what it
recovered; of what is lost it says where that lay, and why.
  --last   begin with the newest so many of each durable channel, 1 to ${limits.lastMax}
  --url    the gateway (default http://127.0.0.1:8080)
  --token  the token that may subscribe (default: TIDEGATE_TOKEN)
  --json   print each publication as the gateway's JSON`

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
    const last = values.last === undefined ? undefined : countOf(values.last)
    const token = tokenOf(values.token, terminal)
    const tidegate = new Tidegate(gatewayUrl(values.url), {
      token: () => token,
      // Each publication is a text of its own there, and a payload is printed as it was sent.
      transports: [new EventStreamTransport(parseKeeping)],
      ...(last !== undefined && { last }),
    })
    const tail = new Tail(tidegate, positionals, values.json, terminal)
    const stop = (): void => tidegate.close()
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
    await tail.ended
    return 0
  },
}

function countOf(text: string): number {
  const count = Number(text)
  if (/^\d{1,9}$/.test(text) && count >= 1 && count <= limits.lastMax) return count
  throw new UsageError(`--last: must be a whole number from 1 to ${limits.lastMax}.`)
}

/** The publications of an event stream with their text. */
type WithJson = Publication & { readonly json: string }

function parseKeeping(text: string): unknown {
  // Line breaks of a payload lie between tokens: JSON has none inside a string.
  const json = text
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
  return { ...(JSON.parse(text) as object), json }
}

class Tail {
  /** Rejects with what waiting does not mend. */
  readonly ended: Promise<void>
  readonly #tidegate: Tidegate
  readonly #isJson: boolean
  readonly #terminal: Terminal
  readonly #recovered: RecoveredCount
  #hasConnected = false

  constructor(tidegate: Tidegate, names: readonly string[], isJson: boolean, terminal: Terminal) {
    this.#tidegate = tidegate
    this.#isJson = isJson
    this.#terminal = terminal
    this.#recovered = new RecoveredCount(clock, (sentence) => terminal.err(sentence))
    this.ended = new Promise((resolve, reject) => {
      tidegate.on('state', ({ state }) => this.#follow(state, resolve, reject))
    })
    for (const name of new Set(names)) this.#hear(tidegate.channel(name))
  }

  #hear(channel: Channel): void {
    const { err } = this.#terminal
    channel.on('publication', ({ publication }) => this.#print(publication as WithJson))
    channel.on('gap', (gap) => {
      this.#recovered.lose()
      err(`Gap: ${gapSentence(gap)}.`)
    })
    channel.on('ended', () => err(`${channel.name} has ended.`))
    channel.on('problem', ({ code, message }) => err(`${code}: ${message}`))
  }

  #follow(state: SessionState, resolve: () => void, reject: (error: CommandError) => void): void {
    const { err } = this.#terminal
    switch (state.type) {
      case 'connecting':
        return
      case 'connected':
        err(this.#hasConnected ? 'Connected again.' : 'Connected.')
        if (this.#hasConnected) this.#recovered.begin()
        this.#hasConnected = true
        return
      case 'waiting':
        this.#recovered.interrupt()
        return err(this.#interruption(state.message, (state.until - clock.now()) / 1000))
      case 'idle':
        this.#recovered.end()
        err('All channels have ended.')
        return this.#tidegate.close()
      case 'closed':
        this.#recovered.interrupt()
        if (state.code === 'closed') resolve()
        else reject(new CommandError(`${state.code}: ${state.message}`))
    }
  }

  #interruption(reason: string, seconds: number): string {
    const again = `${seconds.toFixed(1)} s.`
    if (!this.#hasConnected) return `Cannot connect (${reason}); tries again in ${again}`
    return `Disconnected (${reason}); goes on where it was in ${again}`
  }

  #print({ json, ...publication }: WithJson): void {
    this.#terminal.out(this.#isJson ? json : publicationLine(json, publication))
    this.#recovered.take(publication.time)
  }
}
