/** A tab's part in a connection that tabs share: what the hub says, and where this tab has got. */
import type { HubMessage, SharedEvent, TabMessage, WelcomeMessage } from './tab-messages.js'
import { isPattern, type Place } from './progress.js'
import { SingleConnection } from './single-connection.js'
import type { ConnectionEvent, ConnectionRequest, GapEvent, TransportName } from './transport.js'
import { onWakeUp } from './wake-up.js'

/** The way to the hub, wherever that is. */
export interface HubLine {
  send(message: TabMessage): void
  close(): void
}

export interface HubLineListener {
  /** There may be a hub, or another one than before: join. */
  found(): void
  hear(message: HubMessage): void
  /** It has failed. */
  lost(message: string): void
}

/** Never throws, and nothing is heard before it has returned. */
export type OpenHubLine = (listener: HubLineListener, request: ConnectionRequest) => HubLine

export interface SharedConnectionOptions {
  /** Who shares: the same user of the same gateway. */
  readonly name: string
  readonly openLine: OpenHubLine
  /** The transport behind it is another one. */
  readonly onTransport: (transport: TransportName) => void
}

/** Of a hub that is there, the answer takes a moment. Not told by who is asleep. */
const pingEveryMs = 5_000
/** The hub counts what it sends to who says nothing. */
const pingEveryMessages = 500
/** Where nobody was asked: a hidden tab may get to its timers once a minute. */
const silenceMsMax = 180_000
/** For a hub to be found, or elected. */
const joinMsMax = 10_000

export class SharedConnection extends SingleConnection {
  readonly #options: SharedConnectionOptions
  readonly #line: HubLine
  /** The channels that are wanted, each with the number of the update that began it. */
  readonly #since = new Map<string, number>()
  /** Those of which something was missed that nothing covers: it is said when they begin. */
  readonly #cutOff = new Set<string>()
  #updates = 0
  #joined = 0
  /** The newest update that the hub knows of: what it says of channels begun later is of before. */
  #acknowledged = -1
  #heardCount = 0
  #cancelPing: () => void = () => undefined

  constructor(
    request: ConnectionRequest,
    onEvent: (event: ConnectionEvent) => void,
    options: SharedConnectionOptions,
  ) {
    super(request, onEvent)
    const { clock } = request.gateway.pace
    this.#options = options
    this.#want(request.channels)
    this.#line = options.openLine(
      {
        found: () => this.#join(),
        hear: (message) => this.#hear(message),
        lost: (message) => this.fail('connection_lost', message),
      },
      request,
    )
    const { signal } = this.life
    onWakeUp(clock, signal, (isSuspect) => this.#line.send({ type: 'wake', isSuspect }))
    // It may be put away, and come back: then it joins again.
    const putAway = (): void => this.fail('connection_lost', 'the page was left')
    globalThis.addEventListener?.('pagehide', putAway, { signal })
    this.watchSilence(joinMsMax)
  }

  override update(channels: readonly string[]): boolean {
    if (this.isClosed) return false
    this.#updates += 1
    this.#want(channels)
    this.#ask(this.#isJoined ? 'update' : 'join')
    return true
  }

  override check(): void {
    this.#line.send({ type: 'ping' })
    super.check()
  }

  protected release(): void {
    this.#cancelPing()
    this.#line.send({ type: 'leave' })
    this.#line.close()
  }

  get #isJoined(): boolean {
    return this.#acknowledged >= this.#joined
  }

  #want(channels: readonly string[]): void {
    const wanted = new Set(channels)
    for (const name of this.#since.keys()) {
      if (wanted.has(name)) continue
      this.#since.delete(name)
      this.#cutOff.delete(name)
      this.forgetEnd(name)
    }
    for (const name of wanted) {
      if (!this.#since.has(name)) this.#begin(name)
    }
  }

  #begin(name: string): void {
    this.#since.set(name, this.#updates)
    if (this.request.progress.isCutOff(name)) this.#cutOff.add(name)
  }

  /** Whatever was before, from where each channel is. */
  #join(): void {
    if (this.isClosed) return
    this.#updates += 1
    this.#joined = this.#updates
    for (const name of this.#since.keys()) this.#begin(name)
    this.#cancelPing()
    this.#ask('join')
    this.watchSilence(joinMsMax)
  }

  #ask(type: 'join' | 'update'): void {
    const { gateway, last, progress } = this.request
    const places = [...this.#since.keys()].map((name) => [name, progress.place(name)] as const)
    const { name } = this.#options
    const url = gateway.address('..').href
    this.#line.send({ type, update: this.#updates, places, name, url, last })
  }

  #hear(message: HubMessage): void {
    if (this.isClosed) return
    this.heard()
    this.#heardCount += 1
    if (this.#heardCount % pingEveryMessages === 0) this.#line.send({ type: 'ping' })
    try {
      this.#take(message)
    } catch (error) {
      this.fail('protocol_error', String(error))
    }
  }

  #take(message: HubMessage): void {
    switch (message.type) {
      case 'updated':
        return this.#acknowledge(message.update)
      case 'welcome':
        return this.#isJoined ? this.#welcome(message) : undefined
      case 'state':
        return this.#isJoined ? this.emit(message) : undefined
      case 'event':
        return this.#takeEvent(message.event)
      case 'places':
        for (const [name, place] of message.places) {
          if (place !== undefined && this.#isCurrent(name)) this.#resume(name, place)
        }
        return
      case 'closed':
        return this.end(message)
      case 'token':
        return void this.#giveToken()
      case 'pong':
        return
      case 'gone':
        if (this.#isJoined) this.#join()
        return
    }
  }

  #acknowledge(update: number): void {
    const wasJoined = this.#isJoined
    this.#acknowledged = update
    if (wasJoined || !this.#isJoined) return
    this.watchSilence(silenceMsMax)
    this.#pingLater()
  }

  #pingLater(): void {
    this.#cancelPing = this.request.gateway.pace.clock.after(pingEveryMs, () => {
      this.#pingLater()
      this.check()
    })
  }

  #welcome({ transport, duplicateWindowMs }: WelcomeMessage): void {
    if (duplicateWindowMs > 0) this.request.gateway.duplicateWindowMs = duplicateWindowMs
    this.#options.onTransport(transport)
    this.emit({ type: 'welcome' })
  }

  #takeEvent(event: SharedEvent): void {
    const name = channelOf(event)
    if (name !== undefined && !this.#isCurrent(name)) return
    switch (event.type) {
      case 'publication':
        return void this.take(event.publication)
      case 'subscribed':
        this.emit(event)
        return this.#subscribed(event.channel)
      case 'gap':
        return this.#loseRest(event)
      case 'ended':
        this.endChannel(event.channel)
        return this.endIfAllHave([...this.#since.keys()])
      case 'problem':
      case 'ready':
        return this.emit(event)
    }
  }

  /** Whether what is said of it is according to what is wanted now. */
  #isCurrent(name: string): boolean {
    const since = this.#since.get(name)
    return since !== undefined && since <= this.#acknowledged
  }

  /** Without a place, as far as is known, it is an ephemeral one: a place may follow. */
  #subscribed(name: string): void {
    const { progress } = this.request
    if (progress.place(name) === undefined) progress.beginEphemeral(name)
    if (this.#cutOff.delete(name)) this.missed(name)
  }

  /** Another tab may be the one that misses it. */
  #loseRest(gap: GapEvent): void {
    const { epoch, offset = 0, before, after } = gap
    const place = this.request.progress.place(gap.channel)
    if (typeof place !== 'object') return this.lose(gap)
    if (epoch !== undefined) {
      const isBehind = place.epoch !== epoch || place.offset < offset
      return isBehind ? this.lose(gap) : undefined
    }
    if (before === undefined) return this.lose(gap)
    if (place.offset >= before - 1) return
    this.lose(after === undefined ? gap : { ...gap, after: Math.max(after, place.offset) })
  }

  /**
   * A channel's publications have moved it as far as they have come: it may be further than the
   * hub. What they do not tell is what was verified, and where a pattern or a cursor is.
   */
  #resume(name: string, place: Place): void {
    const { progress } = this.request
    const own = progress.place(name)
    if (typeof own === 'object' && typeof place === 'object') {
      const isOther = isPattern(name) ? own.offset > place.offset : own.offset !== place.offset
      if (own.epoch !== place.epoch || isOther) return
    }
    progress.resume(name, place)
  }

  async #giveToken(): Promise<void> {
    const { credentials } = this.request.gateway
    // Who asks keeps what it got: that is of no use any more.
    credentials.refuse()
    const token = await credentials.token().catch(() => undefined)
    if (!this.isClosed) this.#line.send({ type: 'token', token })
  }
}

/** Undefined: it concerns all of them. */
function channelOf(event: SharedEvent): string | undefined {
  if (event.type === 'ready') return undefined
  if (event.type !== 'publication') return event.channel
  const { channel, pattern = channel } = event.publication
  return pattern
}
