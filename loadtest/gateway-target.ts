/** Starts the gateway as its users do: `tidegate serve`, with a NATS and an HS256 secret. */
import { existsSync, mkdirSync, openSync, closeSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { rootPath } from './paths.js'
import { preloadFlags, serverCalls, type StartOptions, type Target } from './target.js'
import { waitFor } from './wait.js'

const secret = 'a-secret-for-benchmarks-only-of-more-than-32-bytes'
const channel = 'bench.shared'
const startMs = 20_000

/** What the gateway puts around the payload; `time` has 13 digits until the year 2286. */
const envelope = `{"type":"publication","channel":"${channel}","time":1000000000000,"data":}`

export async function startGateway(options: StartOptions): Promise<Target> {
  const command = rootPath('build/cli/main.js')
  if (!existsSync(command)) throw new Error(`the gateway is not built: ${command} is not there`)
  const [port, adminPort] = await freePorts()
  const logPath = rootPath('build/bench/gateway.log')
  mkdirSync(rootPath('build/bench'), { recursive: true })
  const log = openSync(logPath, 'w')
  const child = options.children.start(
    process.execPath,
    [...options.nodeFlags, ...preloadFlags(), command, 'serve'],
    // Nothing of our own environment: no setting of the machine may get into the figures.
    { stdio: ['ignore', log, log, 'ipc'], env: environment(options.natsUrl, port, adminPort) },
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
    subject: `rt.pub.${channel}`,
    envelopeBytes: envelope.length,
    endpoint: (kind, waitSeconds) => ({
      port,
      path: '/v1/events' + query(kind, waitSeconds),
      secret,
      channel,
      opensWithFrame: true,
    }),
    collect: () => calls.call('collect'),
    stop: () => options.children.stop(child),
  }
}

function environment(natsUrl: string, port: number, adminPort: number): Record<string, string> {
  return {
    TIDEGATE_HOST: '127.0.0.1',
    TIDEGATE_PORT: String(port),
    TIDEGATE_ADMIN_HOST: '127.0.0.1',
    TIDEGATE_ADMIN_PORT: String(adminPort),
    TIDEGATE_NATS_URL: natsUrl,
    TIDEGATE_JWT_SECRET: secret,
    TIDEGATE_NAMESPACES: '{"bench":{"history":false}}',
    TIDEGATE_SHUTDOWN_GRACE_SECONDS: '2',
  }
}

function query(kind: string, waitSeconds: number | undefined): string {
  // A WebSocket is subscribed by its token's `channels` claim.
  if (kind === 'websocket') return ''
  return `?channels=${channel}` + (waitSeconds === undefined ? '' : `&wait=${waitSeconds}`)
}

async function isReady(adminPort: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${adminPort}/health/ready`)
    return response.status === 200
  } catch {
    return false
  }
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
