/** The real command as a process, with an environment of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { TestScope } from '../../hub/tests/nats-server.js'

const bin = fileURLToPath(new URL('../../../cli/bin.mjs', import.meta.url))

export const testSecret = 'a-secret-of-at-least-32-bytes-000'

export class Spawned {
  stdout = ''
  stderr = ''
  readonly child: ChildProcess
  readonly #watchers = new Set<() => void>()
  readonly #exit: Promise<number | string>
  #isOver = false

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#changed()
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#changed()
    })
    this.#exit = once(child, 'close').then(([code, signal]) => {
      this.#isOver = true
      this.#changed()
      return (code ?? signal) as number | string
    })
  }

  /** The exit code, or the signal that ended it. */
  exit(): Promise<number | string> {
    return this.#exit
  }

  /** Resolves with what `find` finds in the output so far; rejects when the process ends before. */
  until<T>(what: string, find: (self: this) => T | undefined | false): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = find(this)
        const isFound = found !== undefined && found !== false
        if (!isFound && !this.#isOver) return
        this.#watchers.delete(look)
        if (isFound) resolve(found)
        else reject(new Error(`ended before ${what}:\n${this.stdout}\n${this.stderr}`))
      }
      this.#watchers.add(look)
      look()
    })
  }

  /** The first log line of an event. */
  logged(event: string): Promise<Record<string, unknown>> {
    return this.until(event, () => this.logLines().find((line) => line['event'] === event))
  }

  logLines(): Record<string, unknown>[] {
    const complete = this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1)
    const lines = complete.split('\n').filter((line) => line !== '')
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  #changed(): void {
    for (const look of [...this.#watchers]) look()
  }
}

/** Ends with the test. */
export function tidegate(
  t: TestScope,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: string,
): Spawned {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const spawned = new Spawned(child)
  t.after(async () => {
    child.kill('SIGKILL')
    await spawned.exit()
  })
  child.stdin?.end(input)
  return spawned
}

/** A node in memory on ports of its own. */
export async function serve(
  t: TestScope,
  env: Readonly<Record<string, string>> = {},
): Promise<{ node: Spawned; port: number; url: string }> {
  const node = tidegate(t, ['serve'], {
    TIDEGATE_HOST: '127.0.0.1',
    TIDEGATE_PORT: '0',
    TIDEGATE_ADMIN_PORT: '0',
    TIDEGATE_JWT_SECRET: testSecret,
    ...env,
  })
  const port = Number((await node.logged('started'))['port'])
  return { node, port, url: `http://127.0.0.1:${port}` }
}

export async function mint(t: TestScope, ...args: readonly string[]): Promise<string> {
  const spawned = tidegate(t, ['token', ...args], { TIDEGATE_JWT_SECRET: testSecret })
  if ((await spawned.exit()) !== 0) throw new Error(spawned.stderr)
  return spawned.stdout.trim()
}
