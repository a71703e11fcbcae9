/** A gateway as its users start it: `tidegate serve`, with the settings of a measurement. */
import { existsSync, mkdirSync, openSync, closeSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { rootPath } from './paths.js'
import { preloadFlags, serverCalls, type ServerProcess, type StartOptions } from './target.js'
import { waitFor } from './wait.js'

const startMs = 20_000

export interface GatewayProcess extends ServerProcess {
  readonly port: number
  /** Of HS256 tokens. */
  readonly secret: string
  /** The sum of a metric over all its labels, or over those with this one. */
  metric(name: string, label?: string): Promise<number>
}

/** Names and values as in the environment. */
export type Settings = Readonly<Record<`TIDEGATE_${string}`, string>>

const secret = 'a-secret-for-benchmarks-only-of-more-than-32-bytes'

export async function startGatewayProcess(
  options: StartOptions,
  settings: Settings,
): Promise<GatewayProcess> {
  const command = rootPath('build/cli/main.js')
  if (!existsSync(command)) throw new Error(`the gateway is not built: ${command} is not there`)
  const [port, adminPort] = await freePorts()
  const logPath = rootPath('build/bench/gateway.log')
  mkdirSync(rootPath('build/bench'), { recursive: true })
  const log = openSync(logPath, 'w')
  const env = { ...commonSettings(options.natsUrl, port, adminPort), ...settings }
  const child = options.children.start(
    process.execPath,
    [...options.nodeFlags, ...preloadFlags(), command, 'serve'],
    // Nothing of our own environment: no setting of the machine may get into the figures.
    { stdio: ['ignore', log, log, 'ipc'], env },
  )
  closeSync(log)
  const calls = serverCalls(child, 'gateway')
  await waitFor(
    'the gateway to be ready',
    () => {
      if (child.exitCode === null) return isReady(adminPort)
      throw new Error(`the gateway did not start:\n${readFileSync(logPath, 'utf8').slice(-2000)}`)
    },
    startMs,
  )
  return {
    name: 'gateway',
    pid: child.pid as number,
    port,
    secret,
    metric: (name, label = '') => readMetric(adminPort, name, label),
    collect: () => calls.call('collect'),
    stop: () => options.children.stop(child),
  }
}

function commonSettings(natsUrl: string, port: number, adminPort: number): Settings {
  return {
    TIDEGATE_HOST: '127.0.0.1',
    TIDEGATE_PORT: String(port),
    TIDEGATE_ADMIN_HOST: '127.0.0.1',
    TIDEGATE_ADMIN_PORT: String(adminPort),
    TIDEGATE_NATS_URL: natsUrl,
    TIDEGATE_JWT_SECRET: secret,
    TIDEGATE_SHUTDOWN_GRACE_SECONDS: '2',
  }
}

async function isReady(adminPort: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${adminPort}/health/ready`)
    return response.status === 200
  } catch {
    return false
  }
}

async function readMetric(adminPort: number, name: string, label: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`)
  const lines = (await response.text()).split('\n')
  return lines
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

/** Two ports that were free a moment ago: held together, so that they differ. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()] as const
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address !== null ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return [ports[0] as number, ports[1] as number]
}
