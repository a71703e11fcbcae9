/** Streams are checked, made and updated on a real nats-server, and its refusals explained. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import {
  openProvisioner,
  type Provisioned,
  type StreamCheck,
  type StreamProvisioner,
} from '../jetstream-provision.js'
import type { HistoryLayout } from '../history-layout.js'
import { defaultHistory, type HistorySettings, type Namespace } from '../namespaces.js'
import type { NatsOptions } from '../nats-options.js'
import { startNats, type NatsServer } from './nats-server.js'
import { askJetStream, streamInfo } from './jetstream-api.js'

function layoutOf(orders: Partial<HistorySettings> = {}): HistoryLayout {
  const namespaces = new Map<string, Namespace>([
    ['orders', { history: { ...defaultHistory, maxBytes: 1_000_000, ...orders }, patterns: false }],
    ['chat', { history: undefined, patterns: false }],
  ])
  return { namespaces, subjectPrefix: 'rt', publicationBytesMax: 65_536 }
}

async function provisionerOf(
  t: TestContext,
  server: NatsServer,
  layout: HistoryLayout = layoutOf(),
  options: Partial<NatsOptions> = {},
): Promise<StreamProvisioner> {
  const opened = await openProvisioner({ url: server.url, ...options }, layout)
  assert.ok(opened.ok)
  t.after(() => opened.provisioner.close())
  return opened.provisioner
}

async function checkOf(provisioner: StreamProvisioner): Promise<StreamCheck> {
  const [check, ...others] = await provisioner.check()
  assert.ok(check)
  assert.deepEqual(others, [])
  return check
}

async function provision(provisioner: StreamProvisioner): Promise<Provisioned> {
  return provisioner.provision(await checkOf(provisioner))
}

async function refusal(provisioner: StreamProvisioner): Promise<string> {
  const result = await provision(provisioner)
  assert.ok(!result.ok)
  return result.sentence
}

test('a stream is missing, made, and then fits', async (t) => {
  const server = await startNats(t, { jetStream: true })
  const provisioner = await provisionerOf(t, server)
  assert.equal((await checkOf(provisioner)).type, 'missing')
  assert.deepEqual(await provision(provisioner), { ok: true, change: 'created' })
  assert.equal((await checkOf(provisioner)).type, 'fit')
  assert.deepEqual(await provision(provisioner), { ok: true, change: 'none' })
})

test('a stream that is configured otherwise is told line by line, and updated', async (t) => {
  const server = await startNats(t, { jetStream: true })
  await provision(await provisionerOf(t, server))
  const other = { messagesPerChannel: 5, maxAgeSeconds: 60 }
  const provisioner = await provisionerOf(t, server, layoutOf(other))
  const check = await checkOf(provisioner)
  assert.ok(check.type === 'different')
  assert.deepEqual(check.lines, [
    'max_msgs_per_subject: 100 → 5',
    'max_age: 3600 s → 60 s',
    'duplicate_window: 120 s → 60 s',
  ])
  assert.deepEqual(await provision(provisioner), { ok: true, change: 'updated' })
  assert.equal((await checkOf(provisioner)).type, 'fit')
})

test('a stream that somebody spoiled is mended, and keeps what they added', async (t) => {
  const server = await startNats(t, { jetStream: true })
  const provisioner = await provisionerOf(t, server)
  await provision(provisioner)
  const service = await server.connect()
  const { config } = await streamInfo(service, 'rt_orders')
  const { republish: _republish, ...rest } = config
  const spoiled = { ...rest, allow_direct: false, discard: 'new', description: 'ours' }
  await askJetStream(service, 'STREAM.UPDATE.rt_orders', spoiled)
  const check = await checkOf(provisioner)
  assert.ok(check.type === 'different')
  assert.equal(check.lines.length, 3)
  assert.deepEqual(await provision(provisioner), { ok: true, change: 'updated' })
  const after = (await streamInfo(service, 'rt_orders')).config
  assert.equal(after['description'], 'ours')
})

test('a stream that no update can mend is left alone, with how to mend it', async (t) => {
  const server = await startNats(t, { jetStream: true })
  await provision(await provisionerOf(t, server))
  const provisioner = await provisionerOf(t, server, layoutOf({ storage: 'memory' }))
  const check = await checkOf(provisioner)
  assert.ok(check.type === 'unfit')
  assert.deepEqual(check.lines, ['storage: file → memory'])
  assert.match(check.sentence, /rt_orders does not fit: storage: file → memory .*delete the stream/)
  assert.equal(await refusal(provisioner), check.sentence)
})

test('another stream that captures the subjects is named', async (t) => {
  const server = await startNats(t, { jetStream: true })
  const service = await server.connect()
  await askJetStream(service, 'STREAM.CREATE.everything', {
    name: 'everything',
    subjects: ['rt.>'],
  })
  const sentence = await refusal(await provisionerOf(t, server))
  assert.match(sentence, /stream everything captures some of rt\.pub\.orders\.> already/)
})

test('too little storage, or too few servers, is told with the setting to change', async (t) => {
  const config = 'jetstream { max_file: 10MB }'
  const server = await startNats(t, { config })
  const large = await provisionerOf(t, server, layoutOf({ maxBytes: 100_000_000 }))
  assert.match(await refusal(large), /no room for stream rt_orders .*Lower `maxBytes`/)
  const replicated = await provisionerOf(t, server, layoutOf({ replicas: 3 }))
  assert.match(await refusal(replicated), /wants 3 replicas .*lower `replicas`/)
})

test('a server without JetStream is told how to get it', async (t) => {
  const check = await checkOf(await provisionerOf(t, await startNats(t)))
  assert.ok(check.type === 'unknown')
  assert.equal(check.isPassing, false)
  assert.match(check.sentence, /no JetStream here .*`jetstream {}`/)
})

test('a user who may not ask is told what to permit', async (t) => {
  const config = `authorization { users: [
    { user: all, password: pw },
    { user: few, password: pw, permissions: { publish: ["$JS.API.STREAM.INFO.>"] } },
    { user: none, password: pw, permissions: { publish: ["rt.>"] } }
  ] }`
  const server = await startNats(t, { jetStream: true, config })
  const none = await provisionerOf(t, server, layoutOf(), { user: 'none', password: 'pw' })
  const check = await checkOf(none)
  assert.ok(check.type === 'unknown')
  assert.match(check.sentence, /does not permit it .*allow this user to publish to `\$JS\.API/)
  const few = await provisionerOf(t, server, layoutOf(), { user: 'few', password: 'pw' })
  assert.equal((await checkOf(few)).type, 'missing')
  assert.match(await refusal(few), /does not permit it .*STREAM\.CREATE/)
})

test('a NATS that cannot be reached is a reason, and a bad file an error', async (t) => {
  const server = await startNats(t)
  await server.kill()
  const opened = await openProvisioner({ url: server.url }, layoutOf())
  assert.ok(!opened.ok)
  assert.match(opened.reason, /refused/)
  const options = { url: server.url, caFile: '/no/such/file' }
  await assert.rejects(openProvisioner(options, layoutOf()), /no\/such\/file/)
})
