/** The `tidegate` command: finds the command that is meant, runs it, answers with its exit code. */
import { createInterface } from 'node:readline/promises'
import { buffer } from 'node:stream/consumers'
import { ConfigError, processEnvironment } from '../gateway/config.js'
import { CommandError, messageOf, UsageError, type Command, type Terminal } from './command.js'
import { provisionCommand } from './provision.js'
import { publishCommand } from './publish.js'
import { serveCommand } from './serve-command.js'
import { tailCommand } from './tail.js'
import { tokenCommand } from './token.js'
import { readVersion } from './version.js'

const commands: readonly Command[] = [
  serveCommand,
  tokenCommand,
  publishCommand,
  tailCommand,
  provisionCommand,
]

const terminal: Terminal = {
  env: processEnvironment(),
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  readInput: () => buffer(process.stdin),
  confirm,
}

async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return true
  const reader = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await reader.question(`${question} [y/N] `)
  reader.close()
  return /^y(?:es)?$/i.test(answer.trim())
}

function usage(): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'tidegate <command> [options]',
    '',
    ...rows,
    '',
    'tidegate <command> --help tells its options, tidegate --version the version.',
  ].join('\n')
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === '--help' || name === '-h') {
    terminal.out(usage())
    return 0
  }
  if (name === '--version') {
    terminal.out(readVersion())
    return 0
  }
  const command = commands.find((one) => one.name === name)
  if (command === undefined) {
    const what = name === undefined ? 'No command was given.' : `There is no command ${name}.`
    terminal.err(`${what}\n\n${usage()}`)
    return 2
  }
  if (args.includes('--help') || args.includes('-h')) {
    terminal.out(command.help)
    return 0
  }
  return run(command, args)
}

async function run(command: Command, args: readonly string[]): Promise<number> {
  try {
    return await command.run(args, terminal)
  } catch (error) {
    if (isUsageError(error)) {
      terminal.err(`${messageOf(error)}\nTry: tidegate ${command.name} --help`)
      return 2
    }
    if (!(error instanceof CommandError || error instanceof ConfigError)) throw error
    terminal.err(error.message)
    return 1
  }
}

/** Ours, or one of Node's `parseArgs`. */
function isUsageError(error: unknown): boolean {
  if (error instanceof UsageError) return true
  return error instanceof Error && 'code' in error && /^ERR_PARSE_ARGS/.test(String(error.code))
}

// A reader such as `head` that has seen enough is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

void main(process.argv.slice(2)).then((code) => process.exit(code))
