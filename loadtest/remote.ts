/** Calls into another process over Node's IPC: one table of functions, answered one by one. */
import type { ChildProcess } from 'node:child_process'

/** The functions that a process offers; each takes one argument, or none. */
export type Calls<Table> = { readonly [Name in keyof Table]: (argument: never) => unknown }

interface Request {
  readonly call: string
  readonly id: number
  readonly argument: unknown
}

type Answer =
  | { readonly answers: number; readonly ok: true; readonly value: unknown }
  | { readonly answers: number; readonly ok: false; readonly reason: string }

interface Waiting {
  resolve(value: unknown): void
  reject(reason: Error): void
}

export class Remote<Table extends Calls<Table>> {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1

  constructor(child: ChildProcess, name: string) {
    this.#child = child
    child.on('message', (message: unknown) => this.#receive(message as Answer))
    child.once('exit', (code, signal) => {
      const reason = new Error(`the ${name} ended (${signal ?? `exit code ${code}`})`)
      for (const waiting of this.#waiting.values()) waiting.reject(reason)
      this.#waiting.clear()
    })
  }

  call<Name extends keyof Table & string>(
    name: Name,
    ...[argument]: Parameters<Table[Name]>
  ): Promise<Awaited<ReturnType<Table[Name]>>> {
    const id = this.#nextId
    this.#nextId += 1
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      const request: Request = { call: name, id, argument }
      this.#child.send(request, (error) => {
        if (error !== null) reject(error)
      })
    })
  }

  #receive(answer: Answer): void {
    const waiting = this.#waiting.get(answer.answers)
    if (waiting === undefined) return
    this.#waiting.delete(answer.answers)
    if (answer.ok) waiting.resolve(answer.value)
    else waiting.reject(new Error(answer.reason))
  }
}

/** The other end. The process ends with its parent, whatever became of that. */
export function answerCalls<Table extends Calls<Table>>(table: Table): void {
  process.on('message', (message: unknown) => {
    const { call, id, argument } = message as Request
    const run: unknown = table[call as keyof Table]
    if (typeof run !== 'function') return
    void answer(id, run as (argument: unknown) => unknown, argument)
  })
  process.on('disconnect', () => process.exit())
}

async function answer(id: number, run: (argument: unknown) => unknown, argument: unknown) {
  let answer: Answer
  try {
    answer = { answers: id, ok: true, value: await run(argument) }
  } catch (error) {
    answer = { answers: id, ok: false, reason: error instanceof Error ? error.message : 'failed' }
  }
  process.send?.(answer)
}
