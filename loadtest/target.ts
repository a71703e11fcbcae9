/** A server under measurement. Gateway and bare engine look alike from here. */
import type { ChildProcess } from 'node:child_process'
import type { Children } from './children.js'
import { pathToFileURL } from 'node:url'
import { scriptPath } from './paths.js'
import { cpuNs, memoryOf } from './proc-stat.js'
import type { HeapUse, ServerCalls } from './preload.js'
import { Remote } from './remote.js'
import type { Permissions } from './token.js'
import { pause, waitFor } from './wait.js'

export type ConnectionKind = 'websocket' | 'sse' | 'poll'

/** How the load client connects to a server. */
export interface Endpoint {
  readonly port: number
  readonly path: string
  /** With a secret every connection brings a token of its own. */
  readonly secret: string | undefined
  readonly permissions: Permissions
  /** A WebSocket is open with the server's first frame (`welcome`), or with the 101 itself. */
  readonly opensWithFrame: boolean
}

export interface ServerProcess {
  readonly name: string
  readonly pid: number
  collect(): Promise<HeapUse>
  stop(): Promise<void>
}

export interface Target extends ServerProcess {
  /** Where to publish on NATS, and how many bytes the server's frames have beside the payload. */
  readonly subject: string
  readonly envelopeBytes: number
  /** What is published there is stored, and acknowledged. */
  readonly isDurable: boolean
  endpoint(kind: ConnectionKind, waitSeconds?: number): Endpoint
}

/** What a target is started with. */
export interface StartOptions {
  readonly children: Children
  readonly natsUrl: string
  /** For Node itself, the same for both servers. */
  readonly nodeFlags: readonly string[]
}

/** Flags that let the preloaded module collect garbage on demand. */
export function preloadFlags(): readonly string[] {
  return ['--expose-gc', '--import', pathToFileURL(scriptPath('preload.js')).href]
}

export function serverCalls(child: ChildProcess, name: string): Remote<ServerCalls> {
  return new Remote<ServerCalls>(child, name)
}

const quietShare = 0.03
const quietLimitMs = 60_000

/** Waits until a server has nothing left to do: under 3 % of one CPU, three times in a row. */
export async function untilQuiet(target: ServerProcess): Promise<void> {
  let quiet = 0
  await waitFor(
    `the ${target.name} to become quiet`,
    async () => {
      const cpu = cpuNs(target.pid)
      const time = performance.now()
      await pause(100)
      const share = (cpuNs(target.pid) - cpu) / 1e6 / (performance.now() - time)
      quiet = share < quietShare ? quiet + 1 : 0
      return quiet >= 3
    },
    quietLimitMs,
    0,
  )
}

/**
 * Resident bytes of a server that is quiet and holds no garbage. V8 gives pages back some 9 s after
 * the last activity, all at once, so only a reading after that rest means the same every time.
 */
export async function settledMemory(target: ServerProcess, restSeconds: number): Promise<number> {
  await untilQuiet(target)
  await target.collect()
  await pause(restSeconds * 1000)
  for (let pass = 0; pass < 2; pass += 1) {
    await target.collect()
    await pause(300)
  }
  return memoryOf(target.pid).residentBytes
}
