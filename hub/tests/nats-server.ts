/** A real nats-server for a test: a port of its own, killed and restarted at will, gone with it. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import { until } from './until.js'

/** What the harness needs of a node:test context. */
export interface TestScope {
  after(run: () => void | Promise<void>): void
}

export interface NatsServerOptions {
  /** Lines of nats-server configuration: authorization, TLS, JetStream. */
  readonly config?: string
  /** With JetStream, which stores in `<directory>/jetstream`. */
  readonly jetStream?: boolean
  /** Absent: the server chooses one. */
  readonly port?: number
}

export const host = '127.0.0.1'

/** A store as it was; removed with the test. */
export interface StoreSnapshot {
  readonly path: string
}

export class NatsServer {
  readonly url: string
  readonly port: number
  /** For what the configuration names; removed with the test. */
  readonly directory: string
  #config: string
  /** Of it, what the test gave. */
  #lines: string
  #snapshots = 0
  readonly #clients = new Set<NatsConnection>()
  #process: ChildProcess

  constructor(directory: string, config: Config, port: number, process: ChildProcess) {
    this.directory = directory
    this.port = port
    this.url = `nats://${host}:${port}`
    this.#lines = config.lines
    this.#config = config.store + config.lines
    this.#process = process
  }

  /** A plain NATS client, as a domain service has one. Closed with the test. */
  async connect(options: NodeConnectionOptions = {}): Promise<NatsConnection> {
    const client = await connect({ servers: this.url, reconnectTimeWait: 50, ...options })
    this.#clients.add(client)
    return client
  }

  /** SIGKILL: connections break without a word. Resolves when the process is gone. */
  async kill(): Promise<void> {
    await end(this.#process)
  }

  /** On the same port, with the same configuration. */
  async restart(): Promise<void> {
    await this.kill()
    const started = await spawnServer(this.directory, this.#config, this.port)
    this.#process = started.process
  }

  /** Takes other lines of configuration, as it runs. */
  reload(lines: string): void {
    const path = join(this.directory, 'nats.conf')
    writeFileSync(path, readFileSync(path, 'utf8').replace(this.#lines, lines))
    this.#config = this.#config.replace(this.#lines, lines)
    this.#lines = lines
    this.signal('SIGHUP')
  }

  /** The same, but JetStream is off until the next restart. Its store stays. */
  async restartWithoutJetStream(): Promise<void> {
    await this.kill()
    const config = this.#config.replace(/^jetstream .*$/m, '')
    const started = await spawnServer(this.directory, config, this.port)
    this.#process = started.process
  }

  /** The same, but nothing of what JetStream had stored is left. */
  async restartWiped(): Promise<void> {
    await this.kill()
    rmSync(this.#store, { recursive: true, force: true })
    await this.restart()
  }

  /** Copies the store, for which the server is killed and started again. */
  async snapshot(): Promise<StoreSnapshot> {
    await this.kill()
    this.#snapshots += 1
    const path = join(this.directory, `snapshot-${this.#snapshots}`)
    cpSync(this.#store, path, { recursive: true })
    await this.restart()
    return { path }
  }

  /** Kills it, and starts it with the store as it was: what was stored since is lost. */
  async restartFrom(snapshot: StoreSnapshot): Promise<void> {
    await this.kill()
    rmSync(this.#store, { recursive: true, force: true })
    cpSync(snapshot.path, this.#store, { recursive: true })
    await this.restart()
  }

  get #store(): string {
    return join(this.directory, 'jetstream')
  }

  /** Resolves when all of its threads have stopped: until then it may still answer. */
  async freeze(): Promise<void> {
    this.signal('SIGSTOP')
    await until(() => isStopped(this.#process.pid))
  }

  /** SIGCONT thaws it; SIGUSR2 makes it a lame duck. */
  signal(name: NodeJS.Signals): void {
    this.#process.kill(name)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.close()))
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

interface Config {
  readonly store: string
  readonly lines: string
}

/** Starts one; it ends with the test. */
export async function startNats(
  scope: TestScope,
  options: NatsServerOptions = {},
): Promise<NatsServer> {
  const directory = mkdtempSync(join(tmpdir(), 'tidegate-nats-'))
  const store = `jetstream { store_dir: "${join(directory, 'jetstream')}" }\n`
  const config = { store: options.jetStream === true ? store : '', lines: options.config ?? '' }
  const started = await spawnServer(directory, config.store + config.lines, options.port ?? -1)
  const server = new NatsServer(directory, config, started.port, started.process)
  scope.after(() => server.stop())
  return server
}

async function spawnServer(
  directory: string,
  config: string,
  port: number,
): Promise<{ readonly port: number; readonly process: ChildProcess }> {
  const ports = join(directory, 'ports')
  rmSync(ports, { recursive: true, force: true })
  mkdirSync(ports)
  const path = join(directory, 'nats.conf')
  writeFileSync(path, `host: ${host}\nport: ${port}\nports_file_dir: "${ports}"\n${config}\n`)
  const process = spawn(binary(), ['-c', path], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  process.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4000)))
  const chosen = await until(() => {
    if (process.exitCode !== null) throw new Error(`nats-server ended: ${log}`)
    return portIn(join(ports, `nats-server_${process.pid}.ports`))
  })
  return { port: chosen, process }
}

/** Linux tells; elsewhere the signal has to do. */
function isStopped(pid: number | undefined): boolean {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) return true
  return readdirSync(tasks).every((id) => {
    return /^\d+ \(.*\) [Tt] /.test(readFileSync(join(tasks, id, 'stat'), 'utf8'))
  })
}

/** Undefined until the server has written the whole file. */
function portIn(path: string): number | undefined {
  try {
    const { nats } = JSON.parse(readFileSync(path, 'utf8')) as { readonly nats: readonly string[] }
    return Number(new URL(nats[0] ?? '').port)
  } catch {
    return undefined
  }
}

function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    process.once('exit', () => resolve())
    process.kill('SIGKILL')
  })
}

let found: string | undefined

/** The one on the PATH if it is 2.11 or newer, else the one that the repository has built. */
function binary(): string {
  found ??= isNewEnough('nats-server') ? 'nats-server' : fileURLToPath(pinnedUrl())
  return found
}

function pinnedUrl(): URL {
  return new URL('../../../.cache/servers/nats-server', import.meta.url)
}

function isNewEnough(command: string): boolean {
  try {
    const version = /v(\d+)\.(\d+)\./.exec(
      execFileSync(command, ['--version'], { encoding: 'utf8' }),
    )
    if (version === null) return false
    const [major, minor] = [Number(version[1]), Number(version[2])]
    return major > 2 || (major === 2 && minor >= 11)
  } catch {
    return false
  }
}
