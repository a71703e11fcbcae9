/** Starts the bare engine. */
import { once } from 'node:events'
import type { BareEngineStarted } from './bare-engine.js'
import { scriptPath } from './paths.js'
import { preloadFlags, serverCalls, type StartOptions, type Target } from './target.js'

const paths = { websocket: '/ws', sse: '/sse', poll: '/poll' }

export interface BareTarget extends Target {
  /** Package and binary of the engine. */
  readonly build: string
}

export async function startBareEngine(
  options: StartOptions,
  name = 'bare engine',
): Promise<BareTarget> {
  const subject = `bench.${name.replace(' ', '-')}`
  const script = scriptPath('bare-engine.js')
  const child = options.children.start(
    process.execPath,
    [...options.nodeFlags, ...preloadFlags(), script, options.natsUrl, subject],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { UWS_HTTP_MAX_HEADERS_SIZE: '16384' } },
  )
  const calls = serverCalls(child, name)
  const first = await Promise.race([once(child, 'message'), once(child, 'exit')])
  if (child.exitCode !== null) throw new Error(`the ${name} did not start`)
  const { listening: port, build } = first[0] as BareEngineStarted
  return {
    name,
    build,
    pid: child.pid as number,
    subject,
    envelopeBytes: 0,
    isDurable: false,
    endpoint: (kind, waitSeconds) => ({
      port,
      path: paths[kind] + (waitSeconds === undefined ? '' : `?wait=${waitSeconds}`),
      secret: undefined,
      permissions: {},
      opensWithFrame: false,
    }),
    collect: () => calls.call('collect'),
    stop: () => options.children.stop(child),
  }
}
