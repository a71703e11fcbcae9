/** Every process that a benchmark starts, and how all of them end, whatever happens. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'

const graceMs = 5000

export class Children {
  readonly #running = new Set<ChildProcess>()

  start(command: string, flags: readonly string[], options: SpawnOptions): ChildProcess {
    const child = spawn(command, flags, options)
    this.#running.add(child)
    child.once('exit', () => this.#running.delete(child))
    // Without a listener a command that is not there would end the benchmark before its clean-up.
    child.once('error', () => this.#running.delete(child))
    return child
  }

  /** SIGTERM, and SIGKILL for one that does not hear it. */
  async stop(child: ChildProcess): Promise<void> {
    if (!this.#running.has(child)) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await ended
    clearTimeout(timer)
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((child) => this.stop(child)))
  }

  /** The last resort of a process that is about to end itself. */
  killAll(): void {
    for (const child of this.#running) child.kill('SIGKILL')
  }
}
