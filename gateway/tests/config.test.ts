/** The configuration: where values come from, and that every fault is told before the start. */
import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { defaultHistory } from '../../hub/namespaces.js'
import { recoveryCosts } from '../../hub/recovery-plan.js'
import { settingEntries } from '../config-schema.js'
import {
  ConfigError,
  describeConfig,
  loadConfig,
  loadConfigWithSources,
  type ConfigInputs,
} from '../config.js'

const secret = 'a-secret-of-at-least-32-bytes-000'
const openFilesMax = 20_000

function temporaryFile(name: string, text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'tidegate-')), name)
  writeFileSync(path, text)
  return path
}

function faultsOf(inputs: ConfigInputs): readonly string[] {
  try {
    loadConfig({ openFilesMax, ...inputs })
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.faults.map((fault) => fault.message)
  }
  return []
}

test('without any setting a node listens on 8080 with the in-memory broker', () => {
  const config = loadConfig({ env: {}, openFilesMax })
  assert.equal(config.port, 8080)
  assert.equal(config.adminPort, 9090)
  assert.deepEqual(config.natsUrls, [])
  assert.equal(config.subjectPrefix, 'rt')
  assert.deepEqual(
    [...config.namespaces],
    [['default', { history: defaultHistory, patterns: false }]],
  )
})

test('a configuration cannot be changed once it is parsed', () => {
  assert.ok(Object.isFrozen(loadConfig({ env: {}, openFilesMax })))
})

test('the name of a setting is its key in upper snake, after TIDEGATE_', () => {
  const irregular = new Map([
    ['jwtSecrets', 'TIDEGATE_JWT_SECRET'],
    ['natsUrls', 'TIDEGATE_NATS_URL'],
  ])
  for (const [key, { env }] of settingEntries) {
    const snake = key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
    assert.equal(env, irregular.get(key) ?? `TIDEGATE_${snake}`)
  }
})

test('every default is within the bounds of its setting', () => {
  for (const [, { env, fallback, schema }] of settingEntries) {
    if (fallback === undefined || typeof fallback === 'object') continue
    assert.ok(schema.safeParse(fallback).success, env)
  }
})

test('the environment wins over the file, and the file over the default', () => {
  const file = temporaryFile(
    'tidegate.json',
    JSON.stringify({ TIDEGATE_PORT: 7001, TIDEGATE_HEARTBEAT_SECONDS: 10 }),
  )
  const env = { TIDEGATE_PORT: '7002', PATH: '/bin' }
  const { config, sources } = loadConfigWithSources({ env, file, openFilesMax })
  assert.deepEqual([config.port, sources.port], [7002, 'environment'])
  assert.deepEqual([config.heartbeatSeconds, sources.heartbeatSeconds], [10, 'file'])
  assert.deepEqual([config.adminPort, sources.adminPort], [9090, 'default'])
})

test('the file takes JSON values where the environment takes text', () => {
  const file = temporaryFile(
    'tidegate.json',
    JSON.stringify({
      TIDEGATE_PROXY_PROTOCOL: true,
      TIDEGATE_ALLOWED_ORIGINS: ['https://a.example', 'https://b.example:8443'],
      TIDEGATE_NAMESPACES: { cursors: { history: false } },
    }),
  )
  const fromFile = loadConfig({ env: {}, file, openFilesMax })
  const fromEnvironment = loadConfig({
    env: {
      TIDEGATE_PROXY_PROTOCOL: 'true',
      TIDEGATE_ALLOWED_ORIGINS: 'https://a.example, https://b.example:8443',
      TIDEGATE_NAMESPACES: '{"cursors":{"history":false}}',
    },
    openFilesMax,
  })
  assert.deepEqual(fromFile, fromEnvironment)
})

test('an empty variable counts as unset', () => {
  assert.equal(loadConfig({ env: { TIDEGATE_PORT: '' }, openFilesMax }).port, 8080)
})

test('several secrets are good at once, separated by white space', () => {
  const env = { TIDEGATE_JWT_SECRET: `${secret}\n${secret}2 ` }
  assert.deepEqual(loadConfig({ env, openFilesMax }).jwtSecrets, [secret, `${secret}2`])
})

test('namespaces say whether they are durable and take patterns', () => {
  const namespaces = {
    orders: {
      history: {
        messagesPerChannel: 100,
        maxAgeSeconds: 3600,
        maxBytes: 1e6,
        storage: 'file',
        replicas: 3,
      },
      patterns: true,
    },
    cursors: { history: false },
  }
  const env = { TIDEGATE_NAMESPACES: JSON.stringify(namespaces) }
  assert.deepEqual(
    [...loadConfig({ env, openFilesMax }).namespaces],
    [
      ['orders', { history: namespaces.orders.history, patterns: true }],
      ['cursors', { history: undefined, patterns: false }],
    ],
  )
})

test('what a history does not say is as the default has it', () => {
  const env = { TIDEGATE_NAMESPACES: '{"orders":{"history":{"replicas":3}},"chat":{}}' }
  const { namespaces } = loadConfig({ env, openFilesMax })
  assert.deepEqual(namespaces.get('orders')?.history, { ...defaultHistory, replicas: 3 })
  assert.deepEqual(namespaces.get('chat')?.history, defaultHistory)
})

test('what recovery costs do not say is as it was measured, by storage', () => {
  const env = { TIDEGATE_RECOVERY_COSTS: '{"file":{"scanPerMessageUs":7.5}}' }
  assert.deepEqual(loadConfig({ env, openFilesMax }).recoveryCosts, {
    file: { ...recoveryCosts.file, scanPerMessageUs: 7.5 },
    memory: recoveryCosts.memory,
  })
  assert.deepEqual(loadConfig({ env: {}, openFilesMax }).recoveryCosts, recoveryCosts)
})

test('a bad value is refused with name, value and allowed range', () => {
  assert.deepEqual(faultsOf({ env: { TIDEGATE_HEARTBEAT_SECONDS: '3' } }), [
    'TIDEGATE_HEARTBEAT_SECONDS=3 (environment): must be a whole number from 4 to 300',
  ])
})

const namespaceFaults: readonly [string, string][] = [
  ['{"b c":{}}', '=b c (environment): the name of a namespace must be 1 to 160 of the characters '],
  ['{"a":{"histry":false}}', '.a={"histry":false} (environment): must be an object with no other '],
  ['{"a":1}', '.a=1 (environment): must be an object with no other members than `history` and '],
  ['{"a":{"patterns":"yes"}}', '.a.patterns=yes (environment): must be `true` or `false`'],
  ['{"a":{"history":true}}', '.a.history=true (environment): must be `false`, or an object with '],
  [
    '{"a":{"history":{"replicas":6}}}',
    '.a.history.replicas=6 (environment): must be a whole number from 1 to 5',
  ],
  ['{"a":{"history":{"messages":6}}}', '.a.history={"messages":6} (environment): must be `false`'],
  ['{}', '={} (environment): must be JSON of one namespace or more: by name, `history` '],
  ['{', '={ (environment): must be JSON of one namespace or more: by name, `history` '],
]

for (const [given, expected] of namespaceFaults) {
  test(`TIDEGATE_NAMESPACES=${given} is refused with name, value and what is allowed`, () => {
    const [fault = '', ...others] = faultsOf({ env: { TIDEGATE_NAMESPACES: given } })
    assert.equal(fault.slice(0, 19 + expected.length), `TIDEGATE_NAMESPACES${expected}`)
    assert.deepEqual(others, [])
  })
}

test('namespaces are described as they were given, so that they can be pasted back', () => {
  const given = { orders: { history: { replicas: 3 } }, cursors: { history: false } }
  const env = { TIDEGATE_NAMESPACES: JSON.stringify(given) }
  const described = describeConfig(loadConfigWithSources({ env, openFilesMax }))
  assert.deepEqual(described['TIDEGATE_NAMESPACES'], { value: given, source: 'environment' })
  const untouched = describeConfig(loadConfigWithSources({ env: {}, openFilesMax }))
  assert.deepEqual(untouched['TIDEGATE_NAMESPACES'], { value: { default: {} }, source: 'default' })
})

const badValues: readonly [string, string][] = [
  ['TIDEGATE_PORT', '80a'],
  ['TIDEGATE_PORT', '1e3'],
  ['TIDEGATE_PORT', '-1'],
  ['TIDEGATE_PORT', '65536'],
  ['TIDEGATE_PORT', '8080.5'],
  ['TIDEGATE_PORT', ' '],
  ['TIDEGATE_PROXY_PROTOCOL', 'yes'],
  ['TIDEGATE_LOG_LEVEL', 'loud'],
  ['TIDEGATE_SUBJECT_PREFIX', 'rt.>'],
  ['TIDEGATE_SUBJECT_PREFIX', 'rt.'],
  ['TIDEGATE_NATS_URL', 'localhost:4222'],
  ['TIDEGATE_NATS_URL', 'nats://host:4222/path'],
  ['TIDEGATE_JWKS_URL', 'ftp://host/jwks'],
  ['TIDEGATE_JWKS_FILE', '/no/such/file'],
  ['TIDEGATE_JWKS_FILE', tmpdir()],
  ['TIDEGATE_JWT_PUBLIC_KEY_FILES', '/no/such/file'],
  ['TIDEGATE_ALLOWED_ORIGINS', 'https://a.example/'],
  ['TIDEGATE_ALLOWED_ORIGINS', 'https://A.example'],
  ['TIDEGATE_ALLOWED_ORIGINS', 'https://a.example:443'],
  ['TIDEGATE_ALLOWED_ORIGINS', 'a.example'],
  ['TIDEGATE_NAMESPACES', '{'],
  ['TIDEGATE_NAMESPACES', '[]'],
  ['TIDEGATE_NAMESPACES', '{"a.b":{}}'],
  ['TIDEGATE_NAMESPACES', '{"a":{"patterns":"yes"}}'],
  ['TIDEGATE_NAMESPACES', '{"a":{"history":true}}'],
  ['TIDEGATE_NAMESPACES', '{"a":{"history":{"replicas":6}}}'],
  ['TIDEGATE_NAMESPACES', '{"a":{"history":{"messages":6}}}'],
  ['TIDEGATE_NAMESPACES', '{"a":{"retention":6}}'],
  ['TIDEGATE_RECOVERY_COSTS', '5'],
  ['TIDEGATE_RECOVERY_COSTS', '{"disk":{}}'],
  ['TIDEGATE_RECOVERY_COSTS', '{"file":{"scanFixedUs":-1}}'],
  ['TIDEGATE_RECOVERY_COSTS', '{"file":{"scanFixed":1}}'],
]

for (const [name, value] of badValues) {
  test(`${name}=${value === tmpdir() ? 'a folder' : value} stops the start`, () => {
    const faults = faultsOf({ env: { [name]: value } })
    assert.equal(faults.length, 1, faults.join('\n'))
    assert.ok(faults[0]?.startsWith(name), faults[0])
  })
}

test('all faults are told at once, of the file, the environment and between settings', () => {
  const file = temporaryFile('tidegate.json', '{"TIDEGATE_PORTS":1,"TIDEGATE_ADMIN_PORT":"x"}')
  const env = {
    TIDEGATE_TYPO: '1',
    TIDEGATE_PORT: 'x',
    TIDEGATE_FRAME_BYTES_MAX: '2000',
    TIDEGATE_NATS_USER: 'u',
    TIDEGATE_NATS_PASSWORD: 'p',
  }
  assert.deepEqual(faultsOf({ env, file }).toSorted(), [
    'TIDEGATE_ADMIN_PORT=x (file): must be a whole number from 0 to 65535',
    'TIDEGATE_NATS_USER: is given without TIDEGATE_NATS_URL',
    'TIDEGATE_PORT=x (environment): must be a whole number from 0 to 65535',
    'TIDEGATE_PORTS (file): there is no such setting; the README lists them all',
    'TIDEGATE_PUBLICATION_BYTES_MAX=65536: must be at most TIDEGATE_FRAME_BYTES_MAX, which is 2000',
    'TIDEGATE_TYPO (environment): there is no such setting; the README lists them all',
  ])
})

test('a node without any key is told so, together with the other faults', () => {
  const env = { TIDEGATE_FOO: '1' }
  assert.deepEqual(faultsOf({ env, needsKey: true }), [
    'TIDEGATE_FOO (environment): there is no such setting; the README lists them all',
    'TIDEGATE_JWT_SECRET: no key to verify tokens with; set it, or ' +
      'TIDEGATE_JWT_PUBLIC_KEY_FILES, TIDEGATE_JWKS_FILE or TIDEGATE_JWKS_URL',
  ])
  assert.deepEqual(faultsOf({ env: { TIDEGATE_JWT_SECRET: secret }, needsKey: true }), [])
  const address = { TIDEGATE_JWKS_URL: 'https://issuer.example/keys' }
  assert.deepEqual(faultsOf({ env: address, needsKey: true }), [])
  // Nothing is known of a faulty source: it is the only fault.
  const faulty = { TIDEGATE_JWKS_FILE: '/no/such/file' }
  assert.equal(faultsOf({ env: faulty, needsKey: true }).length, 1)
})

test('variables that Kubernetes sets for a Service of our name are explained', () => {
  const [fault] = faultsOf({ env: { TIDEGATE_SERVICE_HOST: '10.0.0.1' } })
  assert.match(fault ?? '', /enableServiceLinks: false/)
})

test('a file that is missing, no JSON or no object stops the start', () => {
  const cases: readonly [string, RegExp][] = [
    ['/no/such/file', /cannot be read \(ENOENT\)/],
    [temporaryFile('a.json', '{"TIDEGATE_PORT":1'), /is not JSON$/],
    [temporaryFile('b.json', '[1]'), /one JSON object/],
  ]
  for (const [file, expected] of cases) {
    const faults = faultsOf({ env: {}, file })
    assert.equal(faults.length, 1)
    assert.match(faults[0] ?? '', expected)
  }
})

test('no fault and no description ever shows a secret', () => {
  const values = {
    TIDEGATE_JWT_SECRET: 'hush-1',
    TIDEGATE_JWT_SECERT: 'hush-2',
    TIDEGATE_NATS_URL: 'nat://me:hush-3@host',
  }
  const file = temporaryFile('a.json', '{"TIDEGATE_NATS_PASSWORD": "hush-4", }')
  const faults = faultsOf({ env: values, file })
  assert.equal(faults.length, 4)
  assert.doesNotMatch(faults.join('\n'), /hush/)

  const env = {
    TIDEGATE_JWT_SECRET: secret,
    TIDEGATE_NATS_URL: 'nats://a:4222, nats://me:hush-4@b:4222',
    TIDEGATE_NATS_TOKEN: 'hush-5',
  }
  const described = describeConfig(loadConfigWithSources({ env, openFilesMax }))
  assert.doesNotMatch(JSON.stringify(described), /hush|a-secret/)
  assert.deepEqual(described['TIDEGATE_NATS_TOKEN'], { value: '***', source: 'environment' })
  assert.deepEqual(described['TIDEGATE_JWT_SECRET'], { value: ['***'], source: 'environment' })
  assert.deepEqual(described['TIDEGATE_NATS_PASSWORD'], { value: null, source: 'default' })
})

test('connections are bounded by the limit of open files, by default and at most', () => {
  assert.equal(loadConfig({ env: {}, openFilesMax: 20_000 }).connectionsMax, 19_000)
  assert.equal(loadConfig({ env: {}, openFilesMax: 1_024 }).connectionsMax, 512)
  const env = { TIDEGATE_CONNECTIONS_MAX: '5000' }
  assert.equal(loadConfig({ env, openFilesMax: 20_000 }).connectionsMax, 5_000)
  assert.deepEqual(faultsOf({ env, openFilesMax: 1_024 }), [
    'TIDEGATE_CONNECTIONS_MAX=5000: must be a whole number from 0 to 512, ' +
      'as so many files may be open',
  ])
})
