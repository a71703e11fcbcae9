/** Every way to tell NATS who we are, and a clear word about each that does not work. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { natsConnectionOptions, type NatsOptions } from '../nats-options.js'
import { createCertificates, createOperator, createUserKey } from './nats-credentials.js'
import { startNats } from './nats-server.js'
import { listening, natsBroker, started } from './opened-broker.js'
import { until } from './until.js'

function directory(t: TestContext): (name: string, text: string) => string {
  const path = mkdtempSync(join(tmpdir(), 'tidegate-options-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return (name, text) => {
    writeFileSync(join(path, name), text)
    return join(path, name)
  }
}

async function connects(t: TestContext, options: NatsOptions): Promise<void> {
  const broker = await natsBroker(t, options)
  const events = await started(broker)
  assert.deepEqual(
    events.map((event) => event.type),
    ['connected'],
  )
  assert.deepEqual(await broker.publish('a', new Uint8Array(), {}), { ok: true })
}

/** The reason of the one `connect_failed`. */
async function refusal(t: TestContext, options: NatsOptions): Promise<string> {
  const broker = await natsBroker(t, options)
  const events = listening(broker)
  await broker.start()
  await until(() => events.length > 0)
  const [event] = events
  assert.ok(event?.type === 'connect_failed')
  return event.reason
}

test('user and password: taken from the options or the url, wrong ones are named', async (t) => {
  const { port, url } = await startNats(t, {
    config: 'authorization {user: "u@x", password: "p:/"}',
  })
  await connects(t, { url, user: 'u@x', password: 'p:/' })
  await connects(t, { url: `nats://u%40x:p%3A%2F@127.0.0.1:${port}` })
  assert.equal(await refusal(t, { url, user: 'u@x', password: 'no' }), 'Authorization Violation')
  assert.equal(await refusal(t, { url }), 'Authorization Violation')
})

test('a token: taken from the options or the url, a wrong one is named', async (t) => {
  const { port, url } = await startNats(t, { config: 'authorization { token: "s3cret" }' })
  await connects(t, { url, token: 's3cret' })
  await connects(t, { url: `s3cret@127.0.0.1:${port}` })
  assert.equal(await refusal(t, { url, token: 'no' }), 'Authorization Violation')
})

test('an NKey: its seed is read from a file, a stranger is refused', async (t) => {
  const file = directory(t)
  const [known, stranger] = [createUserKey(), createUserKey()]
  const users = `[ { nkey: ${known.publicKey} } ]`
  const { url } = await startNats(t, { config: `authorization { users: ${users} }` })
  await connects(t, { url, nkeyFile: file('seed', `${known.seed}\n`) })
  const reason = await refusal(t, { url, nkeyFile: file('other', stranger.seed) })
  assert.equal(reason, 'Authorization Violation')
})

test('a credentials file: its JWT and seed are used, a stranger is refused', async (t) => {
  const file = directory(t)
  const [operator, stranger] = [createOperator(), createOperator()]
  const { url } = await startNats(t, { config: operator.config })
  await connects(t, { url, credentialsFile: file('user.creds', operator.credentials) })
  const reason = await refusal(t, { url, credentialsFile: file('x.creds', stranger.credentials) })
  assert.equal(reason, 'Authorization Violation')
})

test('a credentials file that changes is read again for the next attempt', async (t) => {
  const file = directory(t)
  const [operator, stranger] = [createOperator(), createOperator()]
  const { url } = await startNats(t, { config: operator.config })
  const credentialsFile = file('user.creds', stranger.credentials)
  const broker = await natsBroker(t, { url, credentialsFile })
  const events = listening(broker)
  await broker.start()
  await until(() => events.length > 0)
  file('user.creds', operator.credentials)
  await until(() => broker.isConnected)
})

test('TLS: the authority, the name and the client certificate are all checked', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'tidegate-tls-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  const { caFile, certFile, keyFile } = createCertificates(path)
  const files = `cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${caFile}"`
  const { port } = await startNats(t, { config: `tls { ${files}, verify: true }` })
  const url = `tls://localhost:${port}`
  await connects(t, { url, caFile, certFile, keyFile })
  assert.match(await refusal(t, { url, certFile, keyFile }), /certificate/)
  const plain = await startNats(t)
  const downgraded = await refusal(t, { url: plain.url, caFile })
  assert.equal(downgraded, "server does not support 'tls'")
  assert.equal(await refusal(t, { url: `tls://127.0.0.1:${plain.port}` }), downgraded)
})

test('several addresses are all tried', async (t) => {
  const { url } = await startNats(t)
  await connects(t, { url: `nats://127.0.0.1:1, ${url} ,127.0.0.1:2` })
})

test('what cannot be used stops the start with a sentence, and never shows a secret', async (t) => {
  const file = directory(t)
  const url = 'nats://127.0.0.1:4222'
  const bad = file('bad', 'SUNSECRETSECRET')
  const cases: readonly [options: NatsOptions, message: RegExp][] = [
    [
      { url, credentialsFile: '/no/file' },
      /^NATS credentials file \/no\/file cannot be read: ENOENT/,
    ],
    [{ url, nkeyFile: '/no/file' }, /^NATS nkey file \/no\/file cannot be read: ENOENT/],
    [{ url, caFile: '/no/file' }, /^NATS TLS ca file \/no\/file cannot be read: ENOENT/],
    [{ url, credentialsFile: bad }, /^NATS credentials file \S+ holds no usable credentials$/],
    [{ url, nkeyFile: bad }, /^NATS nkey file \S+ holds no usable nkey$/],
    [{ url, certFile: bad, keyFile: bad }, /^NATS TLS files \S+ \S+ cannot be used: /],
    [{ url, caFile: file('empty', '') }, /^NATS TLS ca file \S+ holds no certificate$/],
    [{ url, certFile: bad }, /^NATS TLS: certificate and key belong together/],
    [{ url, user: 'u', password: 'SECRET', token: 't' }, /^NATS: give one of user, token/],
    [{ url: 'nats://u:SECRET@h', user: 'u' }, /^NATS: give one of user, token/],
    [{ url, password: 'SECRET' }, /^NATS: a password was given, but no user$/],
    [{ url: 'nats://u:SECRET@a,b' }, /^NATS url: all addresses must name the same user, or none$/],
    [{ url: 'nats://u:%SECRET@a' }, /^NATS url: user and password must be percent-encoded$/],
    [{ url: 'ws://u:SECRET@a' }, /^NATS url: every address must be nats:/],
    [{ url: '' }, /^NATS url: every address must be nats:/],
    [{ url: 'nats://a:SECRET' }, /^NATS url: every address must be nats:/],
  ]
  for (const [options, message] of cases) {
    const error = await natsConnectionOptions(options).then(
      () => assert.fail(JSON.stringify(options)),
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof Error)
    assert.match(error.message, message)
    assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /SECRET/)
  }
})
