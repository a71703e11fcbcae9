/** Reads an event stream's text (HTML Living Standard 9.2): what an `EventSource` would see. */

export interface StreamEvent {
  /** `message` unless the event is named. */
  readonly name: string
  readonly data: string
}

export class EventReader {
  /** What to resume with: the newest `id:`, of whatever event. */
  lastEventId = ''
  /** The newest `retry:`. */
  retryMs: number | undefined
  #rest = ''
  #isFirst = true
  #data: string[] = []
  #name = ''
  #id = ''

  /** The events that this piece of text completes. */
  push(text: string): StreamEvent[] {
    const events: StreamEvent[] = []
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      const event = this.#line(this.#isFirst ? line.replace(/^\uFEFF/, '') : line)
      this.#isFirst = false
      if (event !== undefined) events.push(event)
    }
    return events
  }

  #line(line: string): StreamEvent | undefined {
    if (line === '') return this.#dispatch()
    const [, field = '', value = ''] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? []
    if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#name = value
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value)
    return undefined
  }

  /** An event without data is none, but its `id:` counts. */
  #dispatch(): StreamEvent | undefined {
    this.lastEventId = this.#id
    const event = { name: this.#name || 'message', data: this.#data.join('\n') }
    const hasData = this.#data.length > 0
    this.#data = []
    this.#name = ''
    return hasData ? event : undefined
  }
}
