/** Loads the uWebSockets.js build that fits this machine, or says which machine it would take. */
import { createRequire } from 'node:module'
import type * as uWebSockets from 'uWebSockets.js'

export type Engine = Pick<
  typeof uWebSockets,
  'App' | 'us_listen_socket_close' | 'us_socket_local_port' | 'DISABLED'
>

/** One published build of the engine, and how to get at its binary. */
export interface EngineBuild {
  readonly name: string
  readonly specifier: string
}

export type EngineVerdict =
  | {
      readonly ok: true
      readonly engine: Engine
      readonly build: string
      /** What newer builds have and this one lacks; we use none of it, an operator may wonder. */
      readonly lacks: readonly string[]
      /** Why the builds before it in the list were passed over. */
      readonly passedOver: readonly string[]
    }
  | { readonly ok: false; readonly message: string }

/** Request line and headers together. The engine's own default of 4 KB is too small for a token. */
export const headerBytesMax = 16_384

const newerFeatures = ['addChildAppDescriptor', 'domain', 'filter'] as const

export function engineBuilds(
  platform: string,
  arch: string,
  modules: string,
): readonly EngineBuild[] {
  return [
    { name: 'uWebSockets.js', specifier: 'uWebSockets.js' },
    // The binary itself: this package's entry falls back silently to a slow imitation of it.
    {
      name: 'uws-legacy',
      specifier: `uws-legacy/binaries/uws_${platform}_${arch}_${modules}.node`,
    },
  ]
}

export function loadEngine(
  builds: readonly EngineBuild[] = engineBuilds(
    process.platform,
    process.arch,
    process.versions.modules,
  ),
  load: (specifier: string) => unknown = createRequire(import.meta.url),
): EngineVerdict {
  // Read by the addon when it is loaded, never again.
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(headerBytesMax)
  const passedOver: string[] = []
  for (const { name, specifier } of builds) {
    try {
      const engine = load(specifier)
      if (!isEngine(engine)) {
        passedOver.push(`${name}: is not an engine`)
        continue
      }
      const app = engine.App() as unknown as Record<string, unknown>
      const lacks = newerFeatures.filter((feature) => app[feature] === undefined)
      return { ok: true, engine, build: name, lacks, passedOver }
    } catch (error) {
      passedOver.push(`${name}: ${lastLine(error)}`)
    }
  }
  return { ok: false, message: refusal(passedOver) }
}

function isEngine(loaded: unknown): loaded is Engine {
  if (typeof loaded !== 'object' || loaded === null) return false
  return 'App' in loaded && typeof loaded.App === 'function' && 'us_listen_socket_close' in loaded
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.trim().split('\n').at(-1) ?? text
}

function refusal(passedOver: readonly string[]): string {
  return (
    `No build of uWebSockets.js loads on Node ${process.versions.node} ` +
    `(${process.platform}, ${process.arch}). Wanted: Node 20, 22, 24 or 25 with glibc 2.38 or ` +
    `newer (Debian 13, Ubuntu 24.04), macOS or Windows; or Node 20 with glibc 2.27 or newer ` +
    `(Debian 12). musl (Alpine) is not supported. Tried: ${passedOver.join('; ')}`
  )
}
