/** A real nats-server for a test: on a free port, ended with the test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../.cache/servers/nats-server', import.meta.url))

/** Resolves with host and port, once it is ready. */
export async function startNats(t, args = [], env = {}) {
  const server = spawn(program, ['-a', '127.0.0.1', '-p', '-1', ...args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.after(async () => {
    if (server.exitCode !== null) return
    server.kill()
    await once(server, 'exit')
  })
  return address(server)
}

/** Where the server listens, from its log. */
function address(server) {
  return new Promise((resolve, reject) => {
    let log = ''
    server.stderr.on('data', (chunk) => {
      log += chunk
      const match = /Listening for client connections on (\S+)/.exec(log)
      if (match && log.includes('Server is ready')) resolve(match[1])
    })
    server.once('error', reject)
    server.once('exit', () => reject(new Error(`nats-server ended: ${log}`)))
  })
}

/** What a server with JetStream is started with; its files are removed after the test. */
export function withJetStream(t) {
  const store = mkdtempSync(join(tmpdir(), 'tidegate-start-'))
  t.after(() => rmSync(store, { recursive: true, force: true, maxRetries: 5 }))
  return ['-js', '-sd', store]
}
