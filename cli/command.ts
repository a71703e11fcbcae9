/** What a command is, and what it may use of the process that it runs in. */
import type { Environment } from '../gateway/config.js'

export interface Terminal {
  readonly env: Environment
  /** One line of results. */
  out(line: string): void
  /** One line for the person who looks on. */
  err(line: string): void
  /** All of standard input. */
  readInput(): Promise<Buffer>
  /** Asks the person who looks on; true at once if there is none. */
  confirm(question: string): Promise<boolean>
}

export interface Command {
  readonly name: string
  /** One line, for the list of commands. */
  readonly summary: string
  /** For `--help`. */
  readonly help: string
  /** Resolves with the exit code: 0 done, 1 failed. Rejects with a UsageError for 2. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** The command line itself is wrong; the message is a sentence. */
export class UsageError extends Error {}

/** Sentences without a stack for what the user can mend; everything else is a bug. */
export class CommandError extends Error {}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
