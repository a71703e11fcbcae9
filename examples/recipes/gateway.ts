/** A gateway in memory for the tests of an application: no NATS, any free port. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const env = {
  ...process.env,
  TIDEGATE_HOST: '127.0.0.1',
  TIDEGATE_PORT: '0',
  TIDEGATE_ADMIN_PORT: '0',
  TIDEGATE_JWT_SECRET: 'only-for-tests-and-of-32-bytes-or-more',
  TIDEGATE_NAMESPACES: '{"orders":{}}',
}

export interface Gateway {
  readonly url: string
  stop(): Promise<void>
}

export async function startGateway(): Promise<Gateway> {
  const child = spawn('tidegate', ['serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  // It logs a line of JSON for each event, and is read to its end, or it would stall.
  const lines = createInterface({ input: child.stdout })
  const port = await new Promise<number>((resolve, reject) => {
    lines.on('line', (line) => {
      const { event, port } = JSON.parse(line) as { event: string; port: number }
      if (event === 'started') resolve(port)
    })
    exit.then(() => reject(new Error('tidegate serve did not start')), reject)
  })
  const stop = async (): Promise<void> => {
    child.kill()
    await exit
  }
  return { url: `http://127.0.0.1:${port}`, stop }
}

/** A token for a user who may subscribe to and publish in these channels. */
export function mint(sub: string, channels: string): string {
  const args = ['token', '--sub', sub, '--subscribe', channels, '--publish', channels]
  return execFileSync('tidegate', args, { env, encoding: 'utf8' }).trim()
}
