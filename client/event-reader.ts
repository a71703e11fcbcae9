/** Reads an event stream's text (HTML Living Standard 9.2): what an `EventSource` would see. */

export interface StreamEvent {
  /** `message` unless the event is named. */
  readonly name: string
  /** Undefined: no event, but its `id` counts. */
  readonly data: string | undefined
  /** The newest `id:`; empty if there was none. */
  readonly id: string
}

export class EventReader {
  /** The newest `retry:`. */
  retryMs: number | undefined
  #rest = ''
  #data: string[] = []
  #name = ''
  #id = ''

  /** The events that this piece of text completes. */
  push(text: string): StreamEvent[] {
    const events: StreamEvent[] = []
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line !== '') this.#take(line)
      else events.push(this.#dispatch())
    }
    return events
  }

  #take(line: string): void {
    const [, field, value = ''] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? []
    if (field === 'data') this.#data.push(value)
    if (field === 'event') this.#name = value
    if (field === 'id') this.#id = value
    if (field === 'retry') this.retryMs = Number(value)
  }

  #dispatch(): StreamEvent {
    const data = this.#data.length > 0 ? this.#data.join('\n') : undefined
    const event = { name: this.#name || 'message', data, id: this.#id }
    this.#data = []
    this.#name = ''
    return event
  }
}
