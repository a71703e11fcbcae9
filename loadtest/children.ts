/** Every process that a benchmark starts, and how all of them end, whatever happens. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const graceMs = 5000

export class Children {
  readonly #running = new Set<ChildProcess>()
  readonly #folders = new Set<string>()

  start(command: string, flags: readonly string[], options: SpawnOptions): ChildProcess {
    const child = spawn(command, flags, options)
    this.#running.add(child)
    child.once('exit', () => this.#running.delete(child))
    // Without a listener a command that is not there would end the benchmark before its clean-up.
    child.once('error', () => this.#running.delete(child))
    return child
  }

  /** A folder for what a child writes; it goes with the children, if not before. */
  ownFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'))
    this.#folders.add(folder)
    return folder
  }

  removeFolder(folder: string): void {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
    this.#folders.delete(folder)
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
    for (const folder of this.#folders) this.removeFolder(folder)
  }

  /** The last resort of a process that is about to end itself. */
  killAll(): void {
    for (const child of this.#running) child.kill('SIGKILL')
    for (const folder of this.#folders) this.removeFolder(folder)
  }
}
