/** The demo page: live prices over a transport of the reader's choice. */
import { EventStreamTransport } from '../../client/event-stream-transport.js'
import { gapSentence } from '../../client/gap-sentence.js'
import { LongPollTransport, longPollPace, shortPollPace } from '../../client/long-poll-transport.js'
import { memoryPositions } from '../../client/position-store.js'
import type { SessionState } from '../../client/session.js'
import { Tidegate } from '../../client/tidegate.js'
import type { Publication, Transport } from '../../client/transport.js'
import { WebSocketTransport } from '../../client/websocket-transport.js'
import { AbsenceMeter } from './absence.js'
import { Chart } from './chart.js'
import { DelayTable } from './delay-table.js'
import { PriceHistory } from './price-history.js'
import { PriceList } from './price-list.js'
import { RecoveryPanel } from './recovery-panel.js'
import { isStockPrice, stockSymbols } from './stock-price.js'
import { WirePane } from './wire-pane.js'
import { tappedFetch, tappedSocket, type WireText } from './wire-tap.js'

interface Choice {
  readonly transport: Transport
  readonly label: string
}

const websocket: Choice = {
  transport: new WebSocketTransport(tappedSocket(showWire)),
  label: 'WebSocket',
}
const choices: Readonly<Record<string, Choice>> = {
  websocket,
  'event-stream': { transport: new EventStreamTransport(), label: 'SSE' },
  'long-poll': { transport: new LongPollTransport(longPollPace), label: 'long-poll' },
  'short-poll': { transport: new LongPollTransport(shortPollPace), label: 'short-poll' },
}
/** Where the last one was. */
const positions = memoryPositions()
const channels = stockSymbols.map((symbol) => `stocks.${symbol}`)

const history = new PriceHistory(stockSymbols)
const svg = find<SVGSVGElement>('#chart')
const chart = new Chart(svg, history)
const prices = new PriceList(find('#prices'), stockSymbols)
const delays = new DelayTable(find<HTMLTableElement>('#delays'))
const wire = new WirePane(find('#wire'), find<HTMLButtonElement>('#wire-pause'))
const recovery = new RecoveryPanel(find('#recovery'), channels)
const status = find('#status')
const network = find<HTMLButtonElement>('#network')
const stillness = matchMedia('(prefers-reduced-motion: reduce)')
const absences = new AbsenceMeter()

let choice = websocket
/** Undefined: the reader has gone offline. */
let tidegate: Tidegate | undefined
/** `sentAt` of what arrived since the last paint. */
let unpainted: number[] = []
let isPaintDue = false

start()

function start(): void {
  new ResizeObserver(([entry]) => {
    if (entry) chart.resize(entry.contentRect.width, entry.contentRect.height)
    paintSoon()
  }).observe(svg)
  const asked = new URLSearchParams(location.search).get('transport') ?? ''
  if (Object.hasOwn(choices, asked)) choice = choices[asked] ?? choice
  for (const radio of document.querySelectorAll<HTMLInputElement>('input[name="transport"]')) {
    radio.checked = radio.value === choice.transport.name
    radio.addEventListener('change', () => switchTo(choices[radio.value] ?? choice))
  }
  network.addEventListener('click', () => (tidegate === undefined ? goOnline() : goOffline()))
  document.addEventListener('visibilitychange', () => {
    // Nothing is painted while nobody looks, so what arrives then has no delay to paint.
    unpainted = []
    if (!document.hidden) paintSoon()
  })
  delays.begin(choice.transport.name)
  connect()
}

function switchTo(next: Choice): void {
  choice = next
  delays.begin(next.transport.name)
  if (tidegate === undefined) return // offline: it is what we come back by
  disconnect()
  connect()
}

function goOffline(): void {
  disconnect()
  const time = new Date().toLocaleTimeString()
  const sentence = `Offline since ${time}. The history keeps what is published meanwhile.`
  recovery.leave(sentence, absences.offsets)
  showStatus('offline', 'Offline')
  network.textContent = 'Go online'
}

function goOnline(): void {
  connect()
  network.textContent = 'Go offline'
}

/** As when the network dies: nobody knows where we were but we. */
function disconnect(): void {
  tidegate?.close()
  tidegate = undefined
  absences.leave()
}

function connect(): void {
  tidegate = new Tidegate(location.origin, {
    token: fetchToken,
    transports: [choice.transport],
    ...{ positions, fetch: tappedFetch(showWire) },
  })
  hear(tidegate)
}

async function fetchToken(): Promise<string> {
  const response = await fetch('/demo/token', { cache: 'no-store' })
  if (!response.ok) throw new Error(`no token: ${response.status}`)
  const { token } = (await response.json()) as { readonly token: string }
  return token
}

function hear(client: Tidegate): void {
  client.on('state', ({ state }) => follow(state))
  client.on('problem', ({ code, message }) => showStatus('waiting', `${code}: ${message}`))
  for (const name of channels) {
    const channel = client.channel(name)
    channel.on('publication', ({ publication }) => take(publication))
    channel.on('gap', (gap) => {
      absences.gap(gapSentence(gap))
      paintSoon()
    })
    channel.on('ended', () => showStatus('live', `${name} has ended`))
  }
}

function showWire(heard: WireText): void {
  if (heard.direction === 'out') absences.ask(Date.now())
  wire.add(heard)
}

function follow(state: SessionState): void {
  switch (state.type) {
    case 'connecting':
      return showStatus('connecting', 'Connecting')
    case 'connected':
      absences.comeBack(Date.now())
      // A poll's answer is heard in one go.
      queueMicrotask(() => absences.welcomed())
      return showStatus('live', 'Live')
    case 'waiting': {
      absences.leave()
      const seconds = ((state.until - Date.now()) / 1000).toFixed(1)
      return showStatus('waiting', `${state.code}, next try in ${seconds} s`)
    }
    case 'closed':
      if (state.code !== 'closed') showStatus('closed', `${state.code}: ${state.message}`)
      return
    case 'idle':
  }
}

function take(publication: Publication): void {
  const { data } = publication
  if (!isStockPrice(data)) return
  const absence = absences.take(publication, Date.now())
  history.add(data, absence)
  prices.show(data)
  // What was missed has waited for us: that is no delay.
  if (!document.hidden && absence === 0) unpainted.push(data.sentAt)
  paintSoon()
}

function paintSoon(): void {
  if (isPaintDue) return
  isPaintDue = true
  requestAnimationFrame(paint)
}

function paint(now: number): void {
  isPaintDue = false
  const news = absences.news()
  if (news !== undefined) {
    recovery.show(news, choice.label)
    chart.tint(news.absence, now)
  } else recovery.place(absences.offsets)
  const isGliding = chart.draw(now, stillness.matches)
  const paintedAt = Date.now()
  delays.add(unpainted.map((sentAt) => paintedAt - sentAt))
  unpainted = []
  if (isGliding) paintSoon()
}

type State = 'connecting' | 'live' | 'waiting' | 'closed' | 'offline'

function showStatus(state: State, text: string): void {
  document.body.dataset['state'] = state
  // Said once: a live region that is written again is read out again.
  if (status.textContent !== text) status.textContent = text
}

function find<E extends Element = HTMLElement>(selector: string): E {
  const element = document.querySelector<E>(selector)
  if (element === null) throw new Error(`the page has no ${selector}`)
  return element
}
