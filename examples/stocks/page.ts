/** The demo page: live prices over a transport of the reader's choice. */
import { EventStreamTransport } from '../../client/event-stream-transport.js'
import { LongPollTransport, longPollPace, shortPollPace } from '../../client/long-poll-transport.js'
import { stayConnected } from '../../client/stay-connected.js'
import type { Connection, ConnectionEvent, Transport } from '../../client/transport.js'
import { WebSocketTransport } from '../../client/websocket-transport.js'
import { Chart } from './chart.js'
import { DelayTable } from './delay-table.js'
import { PriceHistory } from './price-history.js'
import { PriceList } from './price-list.js'
import { isStockPrice, stockSymbols, type StockPrice } from './stock-price.js'
import { WirePane } from './wire-pane.js'

const transports: Readonly<Record<string, Transport>> = {
  websocket: new WebSocketTransport(),
  'event-stream': new EventStreamTransport(),
  'long-poll': new LongPollTransport(longPollPace),
  'short-poll': new LongPollTransport(shortPollPace),
}

const history = new PriceHistory(stockSymbols)
const svg = find<SVGSVGElement>('#chart')
const chart = new Chart(svg, history)
const prices = new PriceList(find('#prices'), stockSymbols)
const delays = new DelayTable(find<HTMLTableElement>('#delays'))
const wire = new WirePane(find('#wire'), find<HTMLButtonElement>('#wire-pause'))
const status = find('#status')
const notice = find('#notice')
const stillness = matchMedia('(prefers-reduced-motion: reduce)')

let connection: Connection | undefined
let gapCount = 0
/** `sentAt` of what arrived since the last paint. */
let unpainted: number[] = []
let isPaintDue = false

start()

function start(): void {
  new ResizeObserver(([entry]) => {
    if (entry) chart.resize(entry.contentRect.width, entry.contentRect.height)
    paintSoon()
  }).observe(svg)
  const choices = document.querySelectorAll<HTMLInputElement>('input[name="transport"]')
  const asked = new URLSearchParams(location.search).get('transport')
  for (const choice of choices) {
    choice.checked = choice.value === (asked !== null && asked in transports ? asked : 'websocket')
    choice.addEventListener('change', () => switchTo(choice.value))
    if (choice.checked) switchTo(choice.value)
  }
  document.addEventListener('visibilitychange', () => {
    // Nothing is painted while nobody looks, so what arrives then has no delay to paint.
    unpainted = []
    if (!document.hidden) paintSoon()
  })
}

function switchTo(name: string): void {
  const transport = transports[name]
  if (transport === undefined) return
  const cursor = connection?.cursor
  connection?.close()
  delays.begin(transport.name)
  gapCount = 0
  notice.textContent = ''
  showStatus('connecting', 'Connecting')
  const request = {
    url: location.origin,
    token: fetchToken,
    channels: stockSymbols.map((symbol) => `stocks.${symbol}`),
    ...(cursor !== undefined && { cursor }),
  }
  connection = stayConnected(transport, request, hear)
}

async function fetchToken(): Promise<string> {
  const response = await fetch('/demo/token', { cache: 'no-store' })
  if (!response.ok) throw new Error(`no token: ${response.status}`)
  const { token } = (await response.json()) as { readonly token: string }
  return token
}

function hear(event: ConnectionEvent): void {
  switch (event.type) {
    case 'wire':
      return wire.add(event)
    case 'welcome':
      return showStatus('live', 'Live')
    case 'publication':
      return take(event.publication.data)
    case 'gap':
      gapCount += 1
      notice.textContent = `${gapCount === 1 ? 'A gap' : `${gapCount} gaps`}: ${event.reason}`
      return
    case 'problem':
      return showStatus('waiting', `${event.code}: ${event.message}`)
    case 'closed': {
      const { retryAfterMs } = event
      if (retryAfterMs === undefined) return showStatus('closed', `${event.code}: ${event.message}`)
      const seconds = (retryAfterMs / 1000).toFixed(1)
      return showStatus('waiting', `${event.code}, next try in ${seconds} s`)
    }
  }
}

function take(data: unknown): void {
  if (!isStockPrice(data)) return
  const price: StockPrice = data
  history.add(price)
  prices.show(price)
  if (!document.hidden) unpainted.push(price.sentAt)
  paintSoon()
}

function paintSoon(): void {
  if (isPaintDue) return
  isPaintDue = true
  requestAnimationFrame(paint)
}

function paint(now: number): void {
  isPaintDue = false
  const isGliding = chart.draw(now, stillness.matches)
  const paintedAt = Date.now()
  delays.add(unpainted.map((sentAt) => paintedAt - sentAt))
  unpainted = []
  if (isGliding) paintSoon()
}

function showStatus(state: 'connecting' | 'live' | 'waiting' | 'closed', text: string): void {
  document.body.dataset['state'] = state
  // Said once: a live region that is written again is read out again.
  if (status.textContent !== text) status.textContent = text
}

function find<E extends Element = HTMLElement>(selector: string): E {
  const element = document.querySelector<E>(selector)
  if (element === null) throw new Error(`the page has no ${selector}`)
  return element
}
