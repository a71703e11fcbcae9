/** The development start in a process of its own, as `npm start` runs it; ends with its test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const startWithinMs = 120_000

export interface DemoServer {
  /** The address of the page, with a final slash. */
  readonly url: string
  close(): Promise<void>
}

export async function startDemo(env: Readonly<Record<string, string>> = {}): Promise<DemoServer> {
  const child = spawn(process.execPath, ['tools/start.mjs', '--port', '0'], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), startWithinMs)
  let url: string | undefined
  // What is printed afterwards is read as well, or a full pipe would stop the server.
  const lines = createInterface({ input: child.stdout })
  const found = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      url ??= /http:\/\/127\.0\.0\.1:\d+\/(?=\s|$)/.exec(line)?.[0]
      if (url !== undefined) resolve()
    })
  })
  await Promise.race([found, ended])
  clearTimeout(timer)
  if (url === undefined) throw new Error('the development start ended without an address')
  return {
    url,
    close: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}
