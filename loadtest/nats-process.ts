/** A real nats-server on a port of its own choice. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Children } from './children.js'
import { rootPath } from './paths.js'
import { waitFor } from './wait.js'

const startMs = 10_000

export interface NatsServer {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** With a JetStream, which keeps its files in a folder of its own, or without. */
export async function startNats(
  children: Children,
  hasJetStream: boolean = false,
): Promise<NatsServer> {
  const built = rootPath('.cache/servers/nats-server')
  const command = existsSync(built) ? built : 'nats-server'
  const folder = children.ownFolder()
  const flags = ['--addr', '127.0.0.1', '--port', '-1', '--ports_file_dir', folder]
  if (hasJetStream) flags.push('--jetstream', '--store_dir', join(folder, 'store'))
  const child = children.start(command, flags, { stdio: 'ignore' })
  const url = await findUrl(child, folder)
  const stop = async (): Promise<void> => {
    await children.stop(child)
    children.removeFolder(folder)
  }
  return { url, pid: child.pid as number, stop }
}

async function findUrl(child: ChildProcess, folder: string): Promise<string> {
  let failure: Error | undefined
  child.once('error', (error) => (failure = error))
  child.once('exit', () => (failure ??= new Error('nats-server ended at once')))
  let url: string | undefined
  await waitFor(
    'nats-server to start',
    () => {
      if (failure !== undefined) throw failure
      const [file] = readdirSync(folder).filter((name) => name.endsWith('.ports'))
      if (file !== undefined) url = readUrl(join(folder, file))
      return url !== undefined
    },
    startMs,
  )
  return url as string
}

/** Undefined while the server is still writing the file. */
function readUrl(path: string): string | undefined {
  try {
    const ports = JSON.parse(readFileSync(path, 'utf8')) as { readonly nats?: readonly string[] }
    return ports.nats?.[0]
  } catch {
    return undefined
  }
}
