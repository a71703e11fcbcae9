/** The program of a page under audit: the SDK as an application has it, and what it hears. */
import { EventStreamTransport } from '../../client/event-stream-transport.js'
import { LongPollTransport } from '../../client/long-poll-transport.js'
import { Tidegate } from '../../client/tidegate.js'
import type { Transport, TransportName } from '../../client/transport.js'
import { WebSocketTransport } from '../../client/websocket-transport.js'
import { churn } from './page-churn.js'
import { SdkRecord, type RecordOptions, type Report } from './sdk-record.js'

/** The page finds them in its address, as JSON. */
export interface PageOptions extends RecordOptions {
  /** The address of the gateway. */
  readonly gateway: string
  /** In this order; absent: as the SDK chooses. */
  readonly transports?: readonly TransportName[]
  /** Waits are a tenth of what they are, so that what takes many attempts does not take minutes. */
  readonly isInHaste?: boolean
}

/** What a test asks the page for. */
export interface AuditedPage {
  readonly tidegate: Tidegate
  report(): Report
  /** Does what a busy application does; see `churn`. */
  churn(round: number): Promise<void>
}

const transports: Readonly<Record<TransportName, () => Transport>> = {
  websocket: () => new WebSocketTransport(),
  'event-stream': () => new EventStreamTransport(),
  'long-poll': () => new LongPollTransport(),
  'short-poll': () => new LongPollTransport({ waitSeconds: 0, intervalMs: 1_000 }),
}

function optionsOf({ href }: { readonly href: string }): PageOptions {
  const text = new URL(href).searchParams.get('options')
  return JSON.parse(text ?? '') as PageOptions
}

async function fetchToken(): Promise<string> {
  const response = await fetch('/token')
  return response.text()
}

// What is compiled for Node does not know that a page has an address.
const { location } = globalThis as unknown as { readonly location: { readonly href: string } }
const options = optionsOf(location)
if (options.isInHaste === true) {
  const { random } = Math
  Math.random = () => random() / 10
}
function open(): Tidegate {
  const { gateway, transports: chosen } = options
  return new Tidegate(gateway, {
    token: fetchToken,
    ...(chosen && { transports: chosen.map((name) => transports[name]()) }),
  })
}

const tidegate = open()
const record = new SdkRecord(tidegate, options)
/** Of the page: who listens to it has to stop. */
const { signal } = new AbortController()
const page: AuditedPage = {
  tidegate,
  report: () => record.report(),
  churn: (round) => churn(tidegate, open, signal, round),
}
Object.assign(globalThis, { audited: page })
