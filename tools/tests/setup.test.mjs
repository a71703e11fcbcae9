/** Set-up: what counts as up to date, and which versions are new enough. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isAtLeast, parseVersion } from '../programs.mjs'
import { staleReason } from '../setup.mjs'

const lock = {
  packages: {
    '': { version: '0.1.0' },
    client: { version: '0.1.0' },
    'node_modules/ws': { version: '8.0.0', integrity: 'sha512-a' },
    'node_modules/for-another-system': { version: '1.0.0', optional: true },
  },
}

function installed(packages) {
  const { client, 'node_modules/ws': ws } = lock.packages
  return { packages: { client, 'node_modules/ws': ws, ...packages } }
}

test('packages that are as the lock has them are not installed again', () => {
  assert.equal(staleReason(lock, installed({})), undefined)
})

test('packages are installed when they are missing, of another version or too many', () => {
  assert.match(staleReason(lock, undefined), /missing or incomplete/)
  const older = installed({ 'node_modules/ws': { version: '7.0.0', integrity: 'sha512-a' } })
  assert.match(staleReason(lock, older), /node_modules\/ws is not as/)
  const forged = installed({ 'node_modules/ws': { version: '8.0.0', integrity: 'sha512-b' } })
  assert.match(staleReason(lock, forged), /node_modules\/ws is not as/)
  const extra = installed({ 'node_modules/extra': { version: '1.0.0' } })
  assert.match(staleReason(lock, extra), /node_modules\/extra is not in/)
})

test('a nats-server older than 2.11 is not used', () => {
  assert.ok(isAtLeast(parseVersion('nats-server: v2.11.0'), [2, 11]))
  assert.ok(isAtLeast(parseVersion('nats-server: v3.0.1'), [2, 11]))
  assert.ok(!isAtLeast(parseVersion('nats-server: v2.9.10'), [2, 11]))
  assert.ok(!isAtLeast(parseVersion('no version'), [2, 11]))
})
