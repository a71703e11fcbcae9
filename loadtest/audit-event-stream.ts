/** An event stream under audit: comes back with `Last-Event-ID`, as an `EventSource` does. */
import { AuditSubscriber, type GapBody, type PublicationBody } from './audit-subscriber.js'
import { startsOf } from './cursor-start.js'

interface StreamEvent {
  readonly name: string
  readonly id: string | undefined
  readonly data: string
}

export class AuditEventStream extends AuditSubscriber {
  #cursor: string | undefined = undefined

  protected override async connect(node: string, signal: AbortSignal): Promise<void> {
    const { names, token } = this.options
    const query = new URLSearchParams({ channels: names.join(',') })
    const response = await fetch(`${node}/v1/events?${query.toString()}`, {
      headers: {
        accept: 'text/event-stream',
        authorization: `Bearer ${token}`,
        ...(this.#cursor === undefined ? {} : { 'last-event-id': this.#cursor }),
      },
      signal,
    })
    if (response.status === 204) return this.finish()
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    const shown = this.#cursor
    for await (const event of eventsOf(response)) {
      // What was under way when it left was not received.
      if (signal.aborted) return
      if (event.id !== undefined) this.#cursor = event.id
      this.#take(event, shown)
    }
  }

  #take({ name, id, data }: StreamEvent, shown: string | undefined): void {
    if (data === '') return
    const body: unknown = JSON.parse(data)
    if (name === 'welcome') {
      this.connected()
      for (const start of startsOf(this.options.names, shown, id)) this.record(start)
    } else if (name === 'message') this.recordPublication(body as PublicationBody)
    else if (name === 'gap') this.recordGap(body as GapBody)
    else if (name === 'ended') {
      this.record({ type: 'ended', name: (body as { readonly channel: string }).channel })
    } else if (name === 'problem') throw new Error(data)
  }
}

/** A heartbeat is an event without data; its id counts. */
async function* eventsOf(response: Response): AsyncGenerator<StreamEvent> {
  if (response.body === null) return
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) yield eventIn(block)
  }
}

function eventIn(block: string): StreamEvent {
  const lines = block.split('\n')
  const values = (field: string): readonly string[] =>
    lines
      .filter((line) => line.startsWith(`${field}: `))
      .map((line) => line.slice(field.length + 2))
  return {
    name: values('event')[0] ?? 'message',
    id: values('id')[0],
    data: values('data').join('\n'),
  }
}
