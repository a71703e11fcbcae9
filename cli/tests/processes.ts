/** Whole nodes as processes for end-to-end tests, with what they say of themselves. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import type { TestScope } from '../../hub/tests/nats-server.js'
import { testSecret } from '../../gateway/tests/tokens.js'
import { freePort } from './free-port.js'
import { tidegate, type Spawned } from './spawned.js'

/** Of a test: one that hangs is named, and the others go on. */
export const limit = { timeout: 60_000 }

/** Two nodes that ask for a free port at the same time may be given the same. */
const startsMax = 3

/** Patterns in `stocks`, none in the others; tokens are those of gateway/tests/tokens.ts. */
const environment = {
  TIDEGATE_HOST: '127.0.0.1',
  TIDEGATE_JWT_SECRET: testSecret,
  TIDEGATE_NAMESPACES: JSON.stringify({
    default: { history: false },
    stocks: { history: false, patterns: true },
    chat: { history: false },
  }),
}

export class NodeProcess {
  readonly spawned: Spawned
  /** As `welcome` names it. */
  readonly id: string
  readonly port: number
  /** `http://127.0.0.1:<port>`, and the address of its WebSockets. */
  readonly http: string
  readonly ws: string
  /** `http://127.0.0.1:<port>` of the admin port. */
  readonly admin: string

  constructor(spawned: Spawned, started: Readonly<Record<string, unknown>>) {
    this.spawned = spawned
    this.id = String(started['node'])
    this.port = Number(started['port'])
    this.http = `http://127.0.0.1:${this.port}`
    this.ws = `ws://127.0.0.1:${this.port}/v1/events`
    this.admin = `http://127.0.0.1:${String(started['adminPort'])}`
  }

  /** Status and body of a health check. */
  async health(name: 'live' | 'ready'): Promise<readonly [number, unknown]> {
    const response = await fetch(`${this.admin}/health/${name}`)
    return [response.status, await response.json()]
  }

  async untilReady(): Promise<void> {
    await eventually('the node is ready', async () => (await this.health('ready'))[0] === 200)
  }

  async untilUnready(): Promise<void> {
    await eventually('the node is unready', async () => (await this.health('ready'))[0] === 503)
  }

  metricsText(): Promise<string> {
    return fetch(`${this.admin}/metrics`).then((response) => response.text())
  }

  /** The value of one line of the metrics, `name{label="value"}`; undefined if there is none. */
  async metric(line: string): Promise<number | undefined> {
    const text = await this.metricsText()
    const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `))
    return found === undefined ? undefined : Number(found.slice(line.length + 1))
  }

  /** How many lines of this event are in the log so far. */
  countLogged(event: string): number {
    return this.spawned.logLines().filter((line) => line['event'] === event).length
  }

  /** Sends the signal and resolves with the exit code, or the signal that ended it. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    this.spawned.child.kill(signal)
    return this.spawned.exit()
  }
}

/** Resolves when it listens, whether NATS is there or not. Ends with the scope. */
export async function startNode(
  scope: TestScope,
  env: Readonly<Record<string, string>> = {},
): Promise<NodeProcess> {
  for (let start = 1; ; start += 1) {
    const spawned = tidegate(scope, ['serve'], {
      ...environment,
      TIDEGATE_PORT: '0',
      TIDEGATE_ADMIN_PORT: String(await freePort()),
      ...env,
    })
    try {
      return new NodeProcess(spawned, await spawned.logged('started'))
    } catch (error) {
      const isTaken = /Cannot listen on .* \(admin\)/.test(spawned.stdout)
      if (!isTaken || start === startsMax || 'TIDEGATE_ADMIN_PORT' in env) throw error
    }
  }
}

export interface OpenScope extends TestScope {
  /** Ends everything, in the reverse order. */
  end(): Promise<void>
}

/** For what must end before its test does. */
export function openScope(): OpenScope {
  const ends: (() => void | Promise<void>)[] = []
  return {
    after: (run) => void ends.push(run),
    end: async () => {
      for (const run of ends.splice(0).reverse()) await run()
    },
  }
}

/** What all tests of a file share: it ends after the last of them. */
export function fileScope(): TestScope {
  const scope = openScope()
  after(() => scope.end())
  return scope
}

/** Asks again until it holds; what cannot be asked yet does not hold. Fails after ten seconds. */
export async function eventually(
  what: string,
  holds: () => Promise<boolean>,
  patienceMs = 10_000,
): Promise<void> {
  const end = Date.now() + patienceMs
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) assert.fail(`did not happen in ${patienceMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
