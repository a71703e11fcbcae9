/** Says what was missed while the page was away: how much came back, from where, what is lost. */
import type { Recovery } from './absence.js'

interface Row {
  readonly count: HTMLElement
  readonly offsets: HTMLElement
}

export class RecoveryPanel {
  readonly #sentence: HTMLElement
  readonly #lost: HTMLElement
  readonly #rows = new Map<string, Row>()
  #isReport = false

  constructor(section: HTMLElement, channels: readonly string[]) {
    this.#sentence = part(section, '.sentence')
    this.#lost = part(section, '.lost')
    const list = part(section, '.stretches')
    for (const channel of channels) {
      const symbol = symbolOf(channel)
      const item = document.createElement('li')
      item.className = `series-${symbol}`
      const row = { count: cell('count'), offsets: cell('offsets') }
      const name = cell('name')
      name.textContent = symbol
      item.append(name, row.count, row.offsets)
      list.append(item)
      this.#rows.set(channel, row)
    }
  }

  /** Where each channel is, until there is a recovery to tell of. */
  place(offsets: ReadonlyMap<string, number>): void {
    if (this.#isReport) return
    for (const [channel, offset] of offsets) this.#write(channel, '', `at ${offset}`)
  }

  leave(sentence: string, offsets: ReadonlyMap<string, number>): void {
    this.#isReport = false
    this.#sentence.textContent = sentence
    this.#lost.replaceChildren()
    this.place(offsets)
  }

  show(recovery: Recovery, transport: string): void {
    this.#isReport = true
    this.#sentence.textContent = recoverySentence(recovery, transport)
    for (const { channel, count, from, to } of recovery.stretches) {
      const offsets = to === undefined ? `at ${from ?? '–'}` : `${from ?? '–'} → ${to}`
      this.#write(channel, count === 0 ? '' : `+${count}`, offsets)
    }
    const items = recovery.gaps.map((gap) => {
      const item = document.createElement('li')
      item.textContent = gap
      return item
    })
    this.#lost.replaceChildren(...items)
  }

  #write(channel: string, count: string, offsets: string): void {
    const row = this.#rows.get(channel)
    if (row === undefined) return
    row.count.textContent = count
    row.offsets.textContent = offsets
  }
}

export function recoverySentence(recovery: Recovery, transport: string): string {
  const { count, tookMs, isDurable, gaps } = recovery
  const prices = `${count} ${count === 1 ? 'price' : 'prices'}`
  const took = `from the history in ${Math.max(0, tookMs)} ms by ${transport}`
  if (gaps.length > 0) return `Recovered ${prices} ${took}, but not all:`
  if (!isDurable) return 'Back. These channels keep no history: what was missed is lost.'
  return count === 0 ? 'Back. Nothing was missed.' : `Recovered ${prices} ${took}, nothing lost.`
}

function symbolOf(channel: string): string {
  return channel.slice(channel.indexOf('.') + 1)
}

function cell(className: string): HTMLElement {
  const element = document.createElement('span')
  element.className = className
  return element
}

function part(section: HTMLElement, selector: string): HTMLElement {
  const element = section.querySelector<HTMLElement>(selector)
  if (element === null) throw new Error(`the panel has no ${selector}`)
  return element
}
