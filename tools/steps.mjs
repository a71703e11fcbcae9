/** Steps: run a program in the repository, say what is being done and how long it took. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The repository's folder, with a final slash. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** A fault that the user can mend: shown as a sentence, without a stack. */
export class SetupError extends Error {}

const running = new Set()

/**
 * Runs a program to its end; resolves with its exit code, or 1 when a signal ended it.
 * @param {{ cwd?: string, env?: Record<string, string>, quiet?: boolean }} options
 * `quiet` shows the output only when the program failed.
 */
export function run(program, args, options = {}) {
  const { cwd = root, env = {}, quiet = false } = options
  const stdio = quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit']
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio })
    const output = []
    child.stdout?.on('data', (chunk) => output.push(chunk))
    child.stderr?.on('data', (chunk) => output.push(chunk))
    running.add(child)
    child.once('error', (error) => {
      running.delete(child)
      reject(new SetupError(`${program} could not be started: ${error.message}`))
    })
    child.once('close', (code) => {
      running.delete(child)
      if (code !== 0) process.stderr.write(Buffer.concat(output))
      resolve(code ?? 1)
    })
  })
}

/** Runs a script with this very Node, so that nothing depends on what is linked into a PATH. */
export function runNode(args, options) {
  return run(process.execPath, args, options)
}

/** Ends what `run` has started: for a deadline. */
export function endAll() {
  for (const child of running) child.kill('SIGTERM')
}

/** Says what is done, does it, says how long it took. */
export async function step(title, work) {
  console.log(`▸ ${title}`)
  const startedMs = performance.now()
  const result = await work()
  console.log(`  ${title}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  return result
}
