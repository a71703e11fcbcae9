/** `tidegate provision`: reserved for the streams of durable channels. */
import { parseArgs } from 'node:util'
import type { Command } from './command.js'

const notYet =
  'There is nothing to provision in this version: it has no durable channels, and ephemeral ones ' +
  'need no stream. The command comes with them.'

export const provisionCommand: Command = {
  name: 'provision',
  summary: 'make the streams of durable channels (comes with them)',
  help: `tidegate provision

${notYet}`,
  async run(args, terminal) {
    parseArgs({ args: [...args], options: {} })
    terminal.out(notYet)
    return 0
  },
}
