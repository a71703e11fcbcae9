/** Shows what the wire carries: the last frames, events and answers, newest first. */
import type { WireText } from './wire-tap.js'

const entriesMax = 50
/** A poll's answer may be long; the size says how long. */
const charactersMax = 600

const encoder = new TextEncoder()

export class WirePane {
  readonly #list: HTMLElement
  #isPaused = false

  constructor(list: HTMLElement, pause: HTMLButtonElement) {
    this.#list = list
    pause.addEventListener('click', () => {
      this.#isPaused = !this.#isPaused
      pause.textContent = this.#isPaused ? 'Resume' : 'Pause'
    })
  }

  add({ direction, text }: WireText): void {
    if (this.#isPaused) return
    const entry = document.createElement('li')
    entry.className = direction
    entry.append(
      span('direction', direction === 'in' ? '↓ in' : '↑ out'),
      span('size', formatBytes(encoder.encode(text).length)),
      code(text.length > charactersMax ? `${text.slice(0, charactersMax)} …` : text),
    )
    this.#list.prepend(entry)
    while (this.#list.childElementCount > entriesMax) this.#list.lastElementChild?.remove()
  }
}

function span(className: string, content: string): HTMLElement {
  const element = document.createElement('span')
  element.className = className
  element.textContent = content
  return element
}

function code(content: string): HTMLElement {
  const element = document.createElement('code')
  element.textContent = content
  return element
}

function formatBytes(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KB`
}
