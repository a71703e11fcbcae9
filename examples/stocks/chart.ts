/** Draws the lines as SVG, so that colours, dark mode and sharpness are the style sheet's work. */
import { unbroken, type PriceHistory, type PricePoint } from './price-history.js'
import { priceAxis, spread, stepScale, type Frame, type PriceAxis, type Scale } from './scale.js'

const labelGap = 14
const narrowWidth = 520
const stepsMin = 12
const stepsMaxNarrow = 40
const stepsMax = 84
/** How far beyond the right edge the newest point may be while the chart glides after it. */
const overhangPx = 8
const easeMs = 140
/** How long what was recovered is drawn in another tint. */
const tintMs = 8_000
/** Further away than this the chart jumps in place of gliding. */
const glideStepsMax = 12

export class Chart {
  readonly #svg: SVGSVGElement
  readonly #history: PriceHistory
  readonly #grid: SVGGElement
  readonly #marks: SVGGElement
  readonly #lines: readonly LineView[]
  /** The step at the right edge; glides after the newest one. */
  #edge: number | undefined
  #drawnAt = 0
  /** What was recovered after this absence is tinted for a while. */
  #tinted = { absence: 0, until: 0 }
  #width = 0
  #height = 0

  constructor(svg: SVGSVGElement, history: PriceHistory) {
    this.#svg = svg
    this.#history = history
    this.#grid = append(svg, 'g', 'grid')
    this.#marks = append(svg, 'g', 'grid')
    this.#lines = [...history.lines.keys()].map((symbol) => new LineView(svg, symbol))
  }

  resize(width: number, height: number): void {
    this.#width = Math.round(width)
    this.#height = Math.round(height)
    this.#svg.setAttribute('viewBox', `0 0 ${this.#width} ${this.#height}`)
  }

  /** Tints what was missed in this absence, for a few seconds. */
  tint(absence: number, now: number): void {
    this.#tinted = { absence, until: now + tintMs }
  }

  /** Draws what is known now. True: it is still gliding and wants another frame. */
  draw(now: number, isStill: boolean): boolean {
    const target = this.#history.latestStep
    if (target === undefined || this.#width === 0) return false
    this.#edge = isStill ? target : this.#glide(target, now)
    this.#drawnAt = now
    this.#svg.classList.toggle('tinted', now < this.#tinted.until)
    const steps = this.#stepsShown()
    const frame = { left: 38, right: this.#width - 62, top: 10, bottom: this.#height - 24 }
    const toX = stepScale(frame, this.#edge, steps)
    const first = this.#edge - steps
    const axis = this.#priceAxis(frame, first)
    this.#drawPrices(frame, axis)
    this.#drawYears(frame, toX, first)
    for (const line of this.#lines) {
      const points = this.#history.lines.get(line.symbol) ?? []
      line.draw(
        points.filter((point) => point.step >= first),
        this.#tinted.absence,
        toX,
        axis.toY,
      )
    }
    this.#placeLabels(frame)
    return this.#edge !== target
  }

  /** Few at first, so that the lines fill the chart from the start, then more until it is full. */
  #stepsShown(): number {
    const known = (this.#edge ?? 0) - this.#history.firstStep
    return Math.min(
      this.#width < narrowWidth ? stepsMaxNarrow : stepsMax,
      Math.max(stepsMin, known),
    )
  }

  #glide(target: number, now: number): number {
    const edge = this.#edge ?? target
    const distance = target - edge
    if (Math.abs(distance) < 0.02 || Math.abs(distance) > glideStepsMax) return target
    // A step is wide while there are few: the newest point stays inside, and is seen at once.
    const lagMax = overhangPx / (this.#width / this.#stepsShown())
    // Frames of a page that slept are long: never beyond the target.
    const elapsedMs = Math.min(100, Math.max(0, now - this.#drawnAt))
    const glided = edge + distance * (1 - Math.exp(-elapsedMs / easeMs))
    return Math.max(glided, target - lagMax)
  }

  #priceAxis(frame: Frame, first: number): PriceAxis {
    let lowest = Infinity
    let highest = 0
    for (const points of this.#history.lines.values()) {
      for (const { step, price } of points) {
        if (step < first) continue
        lowest = Math.min(lowest, price)
        highest = Math.max(highest, price)
      }
    }
    return priceAxis(frame, lowest, highest)
  }

  #drawPrices(frame: Frame, { ticks, toY }: PriceAxis): void {
    const nodes: SVGElement[] = []
    for (const tick of ticks) {
      const y = Math.round(toY(tick)) + 0.5
      nodes.push(create('path', 'rule', { d: `M${frame.left} ${y}H${frame.right}` }))
      nodes.push(text('tick-price', frame.left - 6, y + 4, String(tick)))
    }
    this.#grid.replaceChildren(...nodes)
  }

  #drawYears(frame: Frame, toX: Scale, first: number): void {
    const nodes: SVGElement[] = []
    for (const { step, year } of this.#history.years) {
      if (step < first) continue
      const x = Math.round(toX(step)) + 0.5
      nodes.push(create('path', 'rule faint', { d: `M${x} ${frame.top}V${frame.bottom}` }))
      nodes.push(text('tick-year', x, frame.bottom + 16, String(year)))
    }
    this.#marks.replaceChildren(...nodes)
  }

  #placeLabels(frame: Frame): void {
    const shown = this.#lines.filter((line) => line.end !== undefined)
    const ys = shown.map((line) => line.end?.y ?? 0)
    const placed = spread(ys, labelGap, frame.bottom)
    for (const [at, line] of shown.entries()) line.label(placed[at] ?? 0)
  }
}

/** One stock: its line, a dot at the newest price, and its name beside it. */
class LineView {
  readonly symbol: string
  /** Where the newest price is drawn; undefined while none is in sight. */
  end: { readonly x: number; readonly y: number } | undefined
  readonly #group: SVGGElement
  readonly #recovered: SVGElement
  readonly #path: SVGElement
  readonly #dot: SVGElement
  readonly #label: SVGElement

  constructor(svg: SVGSVGElement, symbol: string) {
    this.symbol = symbol
    this.#group = append(svg, 'g', `line series-${symbol}`)
    this.#recovered = append(this.#group, 'path', 'recovered')
    this.#path = append(this.#group, 'path', 'stroke')
    this.#dot = append(this.#group, 'circle', 'dot')
    this.#label = append(this.#group, 'text', 'name')
    this.#dot.setAttribute('r', '3.5')
    this.#label.textContent = symbol
  }

  draw(points: readonly PricePoint[], absence: number, toX: Scale, toY: Scale): void {
    const pieces = unbroken(points)
    const draw = (some: readonly PricePoint[][]) => {
      return some.map((piece) => lineOf(piece, toX, toY)).join('')
    }
    this.#path.setAttribute('d', draw(pieces))
    this.#recovered.setAttribute('d', draw(pieces.map((piece) => filled(piece, absence))))
    const last = points.at(-1)
    this.end = last && { x: toX(last.step), y: toY(last.price) }
    this.#group.classList.toggle('empty', last === undefined)
    this.#dot.setAttribute('cx', fixed(this.end?.x ?? 0))
    this.#dot.setAttribute('cy', fixed(this.end?.y ?? 0))
  }

  label(y: number): void {
    this.#label.setAttribute('x', fixed((this.end?.x ?? 0) + 8))
    this.#label.setAttribute('y', fixed(y + 4))
  }
}

/** What came after this absence, with the point before it. */
function filled(points: readonly PricePoint[], absence: number): PricePoint[] {
  if (absence === 0) return []
  return points.filter((point, at) => {
    return point.absence === absence || points[at + 1]?.absence === absence
  })
}

function lineOf(points: readonly PricePoint[], toX: Scale, toY: Scale): string {
  if (points.length === 0) return ''
  const corners = points.map(({ step, price }) => `${fixed(toX(step))} ${fixed(toY(price))}`)
  return `M${corners.join('L')}`
}

function fixed(value: number): string {
  return value.toFixed(1)
}

type SvgName = 'g' | 'path' | 'circle' | 'text'

function create<Name extends SvgName>(
  name: Name,
  className: string,
  attributes: Readonly<Record<string, string>> = {},
): SVGElementTagNameMap[Name] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  element.setAttribute('class', className)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  return element
}

function append<Name extends SvgName>(
  parent: SVGElement,
  name: Name,
  className: string,
): SVGElementTagNameMap[Name] {
  return parent.appendChild(create(name, className))
}

function text(className: string, x: number, y: number, content: string): SVGElement {
  const element = create('text', className, { x: String(x), y: String(y) })
  element.textContent = content
  return element
}
