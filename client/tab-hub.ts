/** Holds one connection for all tabs: each hears what it wants, from where it was. */
import type { TokenProvider } from './credentials.js'
import type { Clock } from './clock.js'
import type { Gateway } from './gateway.js'
import { probe } from './probe.js'
import { isPattern, type Place } from './progress.js'
import { Session, type SessionState } from './session.js'
import type { HubMessage, Places, SharedEvent, TabMessage, WantMessage } from './tab-messages.js'
import { TokenRelay } from './token-relay.js'
import type { ClosedEvent, ConnectionEvent, Transport } from './transport.js'

export interface TabHubOptions {
  readonly transports: readonly Transport[]
  readonly clock: Clock
  /** @param token asks the tabs for one */
  readonly openGateway: (url: string, token: TokenProvider) => Gateway
  /** Never at once: nobody is called while the hub is at work. */
  readonly send: (tabs: readonly string[], message: HubMessage) => void
}

type PublicationEvent = Extract<SharedEvent, { readonly type: 'publication' }>

interface Tab {
  readonly id: string
  readonly channels: Set<string>
  /** The places that it was told. */
  readonly told: Map<string, Place>
  heardAt: number
  /** Messages since it was heard; with too many it is forgotten. */
  sent: number
}

const tabsMax = 100
/** A tab says something after every 500: one that lets so many come is frozen, or gone. */
const unansweredMax = 5_000
/** A hidden tab is let to its timers once a minute. */
const silenceMsMax = 180_000
const lookEveryMs = 30_000
const tellPlacesEveryMs = 1_000

export class TabHub {
  readonly #options: TabHubOptions
  readonly #relay: TokenRelay
  readonly #tabs = new Map<string, Tab>()
  /** From the first tab to the end that is for good. */
  #session: Session | undefined
  #gateway: Gateway | undefined
  /** What the session was asked for: the channels of all tabs. */
  #held: ReadonlySet<string> = new Set()
  /** By name, the last that was said of the subscription as a whole: for tabs that come later. */
  readonly #said = new Map<string, SharedEvent>()
  /** By name, the tabs for whose sake it begins anew: nobody else need hear that it does. */
  readonly #rewinding = new Map<string, Set<string>>()
  /**
   * A publication moves the place of its channel, but not always that of a pattern, nor a cursor.
   * By name, the newest offset that came by a pattern, or the cursor as it was then: who comes from
   * before there lacks some of what came.
   */
  readonly #passed = new Map<string, number | string>()
  #isTellingSoon = false
  #cancelTelling: (() => void) | undefined
  #cancelLook: () => void = () => undefined

  constructor(options: TabHubOptions) {
    this.#options = options
    this.#relay = new TokenRelay(options.clock, (tab) => this.#send([tab], { type: 'token' }))
    this.#lookSoon()
  }

  get isEmpty(): boolean {
    return this.#tabs.size === 0
  }

  /** @param id the tab that says it */
  hear(id: string, message: TabMessage): void {
    if (message.type === 'join') return this.#join(id, message)
    const tab = this.#tabs.get(id)
    if (tab === undefined) return this.#options.send([id], { type: 'gone' })
    tab.heardAt = this.#options.clock.now()
    tab.sent = 0
    switch (message.type) {
      case 'update':
        return this.#want(tab, message)
      case 'leave':
        return this.#forget([tab])
      case 'ping':
        return this.#send([id], { type: 'pong' })
      case 'wake':
        return this.#session?.wake(message.isSuspect)
      case 'token':
        return this.#relay.answer(id, message.token)
    }
  }

  /** All tabs are told that it goes. */
  close(): void {
    this.#cancelLook()
    this.#send([...this.#tabs.keys()], { type: 'gone' })
    this.#end()
  }

  #end(): void {
    const session = this.#session
    this.#session = this.#gateway = undefined
    this.#held = new Set()
    this.#tabs.clear()
    this.#said.clear()
    this.#passed.clear()
    this.#rewinding.clear()
    this.#cancelTelling?.()
    this.#cancelTelling = undefined
    session?.close()
  }

  #join(id: string, message: WantMessage): void {
    const { clock, send } = this.#options
    const { update } = message
    if (this.#tabs.size >= tabsMax && !this.#tabs.has(id)) {
      const refusal = { code: 'overloaded', message: 'too many tabs', retryable: true }
      return send([id], { type: 'closed', ...refusal })
    }
    const tab: Tab = {
      ...{ id, channels: new Set<string>(), told: new Map<string, Place>() },
      ...{ heardAt: clock.now(), sent: 0 },
    }
    this.#tabs.set(id, tab)
    this.#session ??= this.#open(message)
    this.#send([id], { type: 'updated', update })
    this.#greet([tab], this.#session.state)
    this.#want(tab, message)
  }

  #open({ url, last }: WantMessage): Session {
    const { openGateway, transports } = this.#options
    const gateway = openGateway(url, () => this.#relay.token(this.#tabsByHearing()))
    this.#gateway = gateway
    const session: Session = new Session(
      { ...{ gateway, transports, last }, probe: (...asked) => probe(gateway, ...asked) },
      {
        event: (event) => this.#hear(event),
        state: (state) => {
          if (session === this.#session) this.#become(state)
        },
      },
    )
    return session
  }

  /** Whoever was heard last is the likeliest to be there. */
  #tabsByHearing(): readonly string[] {
    const tabs = [...this.#tabs.values()].sort((one, other) => other.heardAt - one.heardAt)
    return tabs.map(({ id }) => id)
  }

  #want(tab: Tab, { type, update, places, last }: WantMessage): void {
    const wanted = new Map(places.map(([name, place]) => [name, place]))
    for (const name of tab.channels) {
      if (wanted.has(name)) continue
      tab.channels.delete(name)
      tab.told.delete(name)
    }
    if (type === 'update') this.#send([tab.id], { type: 'updated', update })
    const behind = new Map<string, Place | undefined>()
    for (const [name, place] of wanted) {
      if (tab.channels.has(name)) continue
      tab.channels.add(name)
      if (!this.#held.has(name)) {
        if (place !== undefined) this.#session?.progress.resume(name, place)
      } else if (this.#isBehind(name, place, last !== undefined)) behind.set(name, place)
      else this.#attach(tab, name, place)
    }
    this.#update()
    this.#rewind(tab, behind)
    this.#tellPlacesSoon()
  }

  #update(): void {
    const before = this.#held
    this.#held = new Set(this.#holders().flatMap(({ channels }) => [...channels]))
    for (const name of before) {
      if (this.#held.has(name)) continue
      this.#said.delete(name)
      this.#passed.delete(name)
    }
    this.#session?.update([...this.#held])
  }

  /** The session has this channel: does it have to begin anew for who comes from this place? */
  #isBehind(name: string, place: Place | undefined, wantsLast: boolean): boolean {
    const held = this.#session?.progress.place(name)
    if (place === undefined) return wantsLast && !isPattern(name) && held !== undefined
    // It is subscribed and has no place: an ephemeral channel, which cannot go back.
    const canRewind = held !== undefined || !this.#said.has(name)
    return canRewind && (isBefore(place, held) || this.#isPassed(name, place))
  }

  #isPassed(name: string, place: Place): boolean {
    const passed = this.#passed.get(name)
    if (typeof place === 'string') return place === passed
    return typeof passed === 'number' && place.offset < passed
  }

  /** It is told what the others know. */
  #attach(tab: Tab, channel: string, place: Place | undefined): void {
    const said = this.#said.get(channel)
    if (said === undefined) return
    const tell = (event: SharedEvent): void => this.#tell(event, [tab])
    tell({ type: 'subscribed', channel })
    if (said.type !== 'subscribed') tell(said)
    const isLost = place !== undefined && this.#session?.progress.place(channel) === undefined
    if (isLost) tell({ type: 'gap', channel, reason: 'not_subscribed' })
  }

  /** The other tabs have what comes again, and drop it. */
  #rewind(tab: Tab, behind: ReadonlyMap<string, Place | undefined>): void {
    const session = this.#session
    if (behind.size === 0 || session === undefined) return
    for (const name of behind.keys()) {
      if (this.#said.get(name)?.type !== 'subscribed') continue
      const others = this.#rewinding.get(name) ?? new Set()
      this.#rewinding.set(name, others.add(tab.id))
    }
    const names = [...this.#held]
    const rest = names.filter((name) => !behind.has(name))
    // As if they paused: without any channel the connection would end.
    session.update(rest, new Set(behind.keys()))
    for (const [name, place] of behind) {
      session.progress.forget(name)
      if (place !== undefined) session.progress.resume(name, place)
    }
    session.update(names)
  }

  #forget(tabs: readonly Tab[]): void {
    for (const { id } of tabs) this.#tabs.delete(id)
    this.#update()
  }

  #become(state: SessionState): void {
    if (state.type === 'closed') {
      const tabs = [...this.#tabs.keys()]
      this.#session = undefined
      this.#send(tabs, { ...state, retryable: false })
      return this.#end()
    }
    if (state.type === 'waiting') this.#said.clear()
    this.#rewinding.clear()
    this.#greet(this.#holders(), state)
  }

  #hear(event: Exclude<ConnectionEvent, ClosedEvent>): void {
    switch (event.type) {
      case 'publication': {
        const { channel, pattern = channel } = event.publication
        return this.#deliver(pattern, event)
      }
      case 'subscribed':
        this.#said.set(event.channel, event)
        this.#tell(event, this.#listeners(event.channel))
        this.#rewinding.delete(event.channel)
        return this.#tellPlacesSoon()
      case 'problem':
      case 'ended':
        if (event.channel !== undefined) this.#said.set(event.channel, event)
        return this.#tell(event, this.#holders(event.channel))
      case 'gap':
        // Offsets of another history do not compare.
        if (event.epoch !== undefined) this.#passed.delete(event.channel)
        this.#tell(event, this.#holders(event.channel))
        return this.#tellPlacesSoon()
      case 'ready':
        this.#tell(event, this.#holders())
        return this.#tellPlacesSoon()
      case 'welcome':
      case 'reconnect':
      case 'state':
        return
    }
  }

  #deliver(name: string, event: PublicationEvent): void {
    const said = this.#said.get(name)
    // Whoever publishes after the end takes it back (PROTOCOL 4.21).
    if (said?.type === 'ended') this.#said.set(name, { type: 'subscribed', channel: name })
    const holders = this.#holders(name)
    this.#tell(event, holders)
    const place = this.#session?.progress.place(name)
    if (typeof place === 'string') this.#passed.set(name, place)
    else if (isPattern(name)) this.#passed.set(name, event.publication.offset ?? 0)
    if (place === undefined) return this.#tellPlacesLater()
    // A cursor alone says where an ephemeral channel is: who shows an older one gets some again.
    const isNews = typeof place === 'string' || holders.some(({ told }) => !told.has(name))
    if (isNews) this.#tellPlacesSoon()
    else this.#tellPlacesLater()
  }

  /** All tabs, without a name. */
  #holders(name?: string): readonly Tab[] {
    const tabs = [...this.#tabs.values()]
    return name === undefined ? tabs : tabs.filter(({ channels }) => channels.has(name))
  }

  #listeners(name: string): readonly Tab[] {
    const rewinding = this.#rewinding.get(name)
    const holders = this.#holders(name)
    return rewinding === undefined ? holders : holders.filter(({ id }) => rewinding.has(id))
  }

  #greet(tabs: readonly Tab[], state: SessionState): void {
    const ids = tabs.map(({ id }) => id)
    const duplicateWindowMs = this.#gateway?.duplicateWindowMs ?? 0
    if (state.type === 'connected') {
      this.#send(ids, { type: 'welcome', transport: state.transport, duplicateWindowMs })
    } else if (state.type === 'connecting' || state.type === 'waiting') {
      this.#send(ids, { type: 'state', state })
    }
  }

  #tell(event: SharedEvent, tabs: readonly Tab[]): void {
    this.#send(
      tabs.map(({ id }) => id),
      { type: 'event', event },
    )
  }

  #send(ids: readonly string[], message: HubMessage): void {
    const listening = ids.filter((id) => {
      const tab = this.#tabs.get(id)
      if (tab === undefined) return true
      tab.sent += 1
      return tab.sent <= unansweredMax || !this.#tabs.delete(id)
    })
    if (listening.length > 0) this.#options.send(listening, message)
  }

  /** Behind all that this task brings. */
  #tellPlacesSoon(): void {
    if (this.#isTellingSoon) return
    this.#isTellingSoon = true
    queueMicrotask(() => this.#tellPlaces())
  }

  #tellPlacesLater(): void {
    this.#cancelTelling ??= this.#options.clock.after(tellPlacesEveryMs, () => this.#tellPlaces())
  }

  #tellPlaces(): void {
    this.#isTellingSoon = false
    this.#cancelTelling?.()
    this.#cancelTelling = undefined
    for (const { id, channels, told } of this.#tabs.values()) {
      const news: [string, Place][] = []
      for (const name of channels) {
        const place = this.#session?.progress.place(name)
        if (place === undefined || place === told.get(name)) continue
        told.set(name, place)
        news.push([name, place])
      }
      if (news.length > 0) this.#send([id], { type: 'places', places: news as Places })
    }
  }

  /** Who is forgotten is told so when it says something, and joins again. */
  #lookSoon(): void {
    const { clock } = this.#options
    this.#cancelLook = clock.after(lookEveryMs, () => {
      this.#forget(this.#holders().filter(({ heardAt }) => clock.now() - heardAt > silenceMsMax))
      this.#lookSoon()
    })
  }
}

/** Whether something between the two places may be missing to who is at the first one. */
function isBefore(place: Place, held: Place | undefined): boolean {
  if (typeof place === 'string' || typeof held !== 'object') return place !== held
  return place.epoch !== held.epoch || place.offset < held.offset
}
