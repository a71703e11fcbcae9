/** Loads uWebSockets.js for the bare engine, the build that the gateway would choose as well. */
import { createRequire } from 'node:module'

/** The part of the engine that the bare server uses. */
export interface Engine {
  App(): EngineApp
  us_socket_local_port(listenSocket: unknown): number
}

export interface EngineApp {
  ws(path: string, behavior: WebSocketBehavior): EngineApp
  get(path: string, handle: (res: EngineResponse, req: EngineRequest) => void): EngineApp
  listen(host: string, port: number, done: (listenSocket: unknown) => void): EngineApp
  publish(topic: string, message: Uint8Array, isBinary: boolean): boolean
}

export interface WebSocketBehavior {
  readonly idleTimeout: number
  readonly maxPayloadLength: number
  readonly maxBackpressure: number
  readonly open: (socket: { subscribe(topic: string): boolean }) => void
}

export interface EngineRequest {
  getQuery(key: string): string | undefined
}

export interface EngineResponse {
  cork(run: () => void): unknown
  writeHeader(name: string, value: string): unknown
  write(chunk: string): boolean
  end(body: string): unknown
  onAborted(run: () => void): unknown
}

export interface LoadedEngine {
  readonly engine: Engine
  /** The package and the binary's ABI, for the report. */
  readonly build: string
}

/** The newer build needs glibc 2.38; the older one's entry would fall back to plain JavaScript. */
export function loadEngine(): LoadedEngine {
  const require = createRequire(import.meta.url)
  const { platform, arch, versions } = process
  const binary = `uws_${platform}_${arch}_${versions.modules}.node`
  try {
    return { engine: require('uWebSockets.js') as Engine, build: `uWebSockets.js ${binary}` }
  } catch {
    const engine = require(`uws-legacy/binaries/${binary}`) as Engine
    return { engine, build: `uws-legacy ${binary}` }
  }
}
