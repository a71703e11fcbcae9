/** The delay from publish to paint, a row for each transport, so that they can be compared. */
import type { TransportName } from '../../client/transport.js'
import { DelayMeter } from './delay-meter.js'

interface Row {
  readonly element: HTMLTableRowElement
  meter: DelayMeter
}

export class DelayTable {
  readonly #rows = new Map<string, Row>()
  #current: Row | undefined

  constructor(table: HTMLTableElement) {
    for (const element of table.querySelectorAll<HTMLTableRowElement>('tr[data-transport]')) {
      const name = element.dataset['transport'] ?? ''
      this.#rows.set(name, { element, meter: new DelayMeter() })
    }
  }

  /** Measures this transport from now on, afresh. The others keep what was measured. */
  begin(name: TransportName): void {
    this.#current?.element.removeAttribute('aria-current')
    this.#current = this.#rows.get(name)
    this.#current?.element.setAttribute('aria-current', 'true')
    if (this.#current) this.#current.meter = new DelayMeter()
  }

  add(delaysMs: readonly number[]): void {
    const row = this.#current
    if (row === undefined || delaysMs.length === 0) return
    for (const delayMs of delaysMs) row.meter.add(delayMs)
    const summary = row.meter.summary()
    if (summary === undefined) return
    const cells = [summary.currentMs, summary.medianMs, summary.p99Ms]
    for (const [at, delayMs] of cells.entries()) {
      const cell = row.element.cells.item(at + 1)
      if (cell) cell.textContent = format(delayMs)
    }
  }
}

function format(delayMs: number): string {
  // Negative: the clock of this machine is behind the publisher's, and there is nothing to measure.
  if (delayMs < 0) return 'clock?'
  return delayMs < 1000 ? `${Math.round(delayMs)} ms` : `${(delayMs / 1000).toFixed(2)} s`
}
