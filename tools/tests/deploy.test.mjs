/** What deploy/ says holds: NATS keeps the permissions, and the names in the files exist. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from '@nats-io/transport-node'
import { startNats } from './nats-server.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path) => readFileSync(join(root, path), 'utf8')

function startDeployedNats(t) {
  const config = join(root, 'deploy/nats/nats-server.conf')
  const users = ['gateway', 'service', 'provisioner']
  const env = Object.fromEntries(
    users.map((user) => [`NATS_${user.toUpperCase()}_PASSWORD`, `of-${user}`]),
  )
  const store = mkdtempSync(join(tmpdir(), 'tidegate-deploy-'))
  t.after(() => rmSync(store, { recursive: true, force: true }))
  return startNats(t, ['-c', config, '-m', '-1', '-sd', store], env)
}

async function connectAs(t, servers, user) {
  const connection = await connect({ servers, user, pass: `of-${user}`, reconnect: false })
  t.after(() => connection.close())
  return connection
}

/** The subject that NATS refused to let this connection use. */
async function refusal(connection, act) {
  const refused = (async () => {
    for await (const { type, error } of connection.status()) if (type === 'error') return error
  })()
  act()
  await connection.flush()
  return (await refused).subject
}

test('NATS as deployed lets a service publish to a gateway and do nothing more', async (t) => {
  const servers = await startDeployedNats(t)
  const gateway = await connectAs(t, servers, 'gateway')
  const service = await connectAs(t, servers, 'service')

  const received = new Promise((resolve) => {
    gateway.subscribe('rt.pub.stocks.AAPL', { callback: (_, message) => resolve(message.string()) })
  })
  await gateway.flush()
  service.publish('rt.pub.stocks.AAPL', '{"price":1}')
  assert.equal(await received, '{"price":1}')

  const listen = () => service.subscribe('rt.pub.>', { callback: () => {} })
  assert.equal(await refusal(service, listen), 'rt.pub.>')
  const command = () => service.publish('rt.control.revoke', '{}')
  assert.equal(await refusal(service, command), 'rt.control.revoke')
  const listenToAll = () => gateway.subscribe('>', { callback: () => {} })
  assert.equal(await refusal(gateway, listenToAll), '>')
})

test('NATS as deployed lets nobody in without a password', async (t) => {
  const servers = await startDeployedNats(t)
  await assert.rejects(connect({ servers, reconnect: false }), /Authorization/i)
})

test('its users are enough to make streams, serve them, and publish with an ack', async (t) => {
  const servers = await startDeployedNats(t)
  const env = {
    TIDEGATE_NATS_URL: `nats://${servers.replace(/^nats:\/\//, '')}`,
    TIDEGATE_NAMESPACES: '{"stocks":{"history":{"maxBytes":10000000}}}',
    TIDEGATE_NATS_USER: 'provisioner',
    TIDEGATE_NATS_PASSWORD: 'of-provisioner',
  }
  const command = [join(root, 'build/cli/main.js'), 'provision', '--yes']
  const [code] = await once(spawn(process.execPath, command, { env, stdio: 'ignore' }), 'exit')
  assert.equal(code, 0)
  const service = await connectAs(t, servers, 'service')
  const ack = await service.request('rt.pub.stocks.AAPL', '{"price":1}')
  assert.equal(ack.json().seq, 1)
  const { prepareStreams } = await import('../../build/cli/streams.js')
  const { loadConfig } = await import('../../build/gateway/config.js')
  const gateway = { TIDEGATE_NATS_USER: 'gateway', TIDEGATE_NATS_PASSWORD: 'of-gateway' }
  const report = await prepareStreams(loadConfig({ env: { ...env, ...gateway }, file: undefined }))
  assert.deepEqual(report, { faults: [], notices: [] })
})

/** All names of this form in a text. */
function names(text, form) {
  return [...new Set(text.match(form))].sort()
}

function gatewaySources() {
  const files = readdirSync(join(root, 'gateway')).filter((name) => name.endsWith('.ts'))
  return files.map((name) => read(`gateway/${name}`)).join('\n')
}

test('every metric that an alert asks for is one that a node has', () => {
  const asked = names(read('deploy/prometheus/alerts.yml'), /\btidegate_[a-z_]+/g)
  const known = new Set(names(gatewaySources(), /\btidegate_[a-z_]+/g))
  const missing = asked
    .map((name) => name.replace(/_bucket$/, ''))
    .filter((name) => !known.has(name))
  assert.notEqual(asked.length, 0)
  assert.deepEqual(missing, [])
})

test('every setting that a file of deploy/ makes is one that a node has', () => {
  const files = ['Dockerfile', 'deploy/compose.yaml', 'deploy/example.env']
  const made = names(files.map(read).join('\n'), /\bTIDEGATE_[A-Z_]+/g)
  const known = new Set(names(gatewaySources(), /\bTIDEGATE_[A-Z_]+/g))
  assert.notEqual(made.length, 0)
  assert.deepEqual(
    made.filter((name) => !known.has(name)),
    [],
  )
})

/** Resolves with the exit code of the health check of the Dockerfile. */
async function healthCheck(adminPort) {
  const [, command] = /HEALTHCHECK[^[]*(\[.*\])/.exec(read('Dockerfile'))
  const [, ...args] = JSON.parse(command)
  const env = { TIDEGATE_ADMIN_PORT: adminPort }
  const [code] = await once(spawn(process.execPath, args, { env, stdio: 'ignore' }), 'exit')
  return code
}

test('the health check of the image asks the admin port, if there is one', async (t) => {
  let status = 200
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/health/live' ? status : 404).end()
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const port = String(server.address().port)
  assert.equal(await healthCheck(port), 0)
  status = 500
  assert.equal(await healthCheck(port), 1)
  assert.equal(await healthCheck('1'), 1)
  assert.equal(await healthCheck('0'), 0)
})
