/** A JWKS file is read again when it changes, and a bad one never takes the good keys away. */
import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createAuthentication, type Authentication } from '../authentication.js'
import { jwksFilePollMs } from '../jwks-file.js'
import { FakeClock } from './fake-clock.js'
import { KeyEvents } from './key-events.js'
import { jwkOf, makeEcKey, makeEdKey, signToken, type TestKey } from './test-keys.js'

const oldKey = makeEdKey()
const newKey = makeEcKey('P-256')
const oldSet = JSON.stringify({ keys: [jwkOf(oldKey, { kid: 'old' })] })
const newSet = JSON.stringify({ keys: [jwkOf(newKey, { kid: 'new' })] })

class Fixture {
  readonly clock = new FakeClock()
  readonly events = new KeyEvents()
  readonly #directory: string
  readonly path: string
  #authentication: Authentication | undefined

  constructor(directory: string) {
    this.#directory = directory
    this.path = join(directory, 'jwks.json')
  }

  static async create(t: TestContext, text: string): Promise<Fixture> {
    const directory = await mkdtemp(join(tmpdir(), 'tidegate-jwks-'))
    const fixture = new Fixture(directory)
    t.after(async () => {
      fixture.#authentication?.close()
      await rm(directory, { recursive: true })
    })
    await fixture.write(text)
    return fixture
  }

  async open(): Promise<void> {
    this.#authentication = await createAuthentication(
      { jwksFile: this.path, clockToleranceSeconds: 5, tokenLifetimeSecondsMax: 3600 },
      this.clock,
      this.events.record,
    )
  }

  close(): void {
    this.#authentication?.close()
  }

  write(text: string): Promise<void> {
    return writeFile(this.path, text)
  }

  /** As Kubernetes mounts a secret: the file is a link, and what it leads to is exchanged. */
  async exchange(text: string): Promise<void> {
    const target = join(this.#directory, `target-${String(this.events.all.length)}`)
    await writeFile(target, text)
    await symlink(target, `${this.path}.next`)
    await rename(`${this.path}.next`, this.path)
  }

  accepts(key: TestKey, kid: string): boolean {
    const [algorithm] = key.algorithms
    assert.ok(algorithm)
    const exp = Math.floor(this.clock.now() / 1000) + 60
    const token = signToken({ exp }, { key, algorithm, header: { alg: algorithm, kid } })
    const verdict = this.#authentication?.authenticator.authenticate(token)
    assert.ok(verdict)
    if (!verdict.ok) assert.equal(verdict.code, 'token_invalid')
    return verdict.ok
  }
}

test('a changed JWKS file is in force after the next look, the old keys no longer', async (t) => {
  const fixture = await Fixture.create(t, oldSet)
  await fixture.open()
  assert.ok(fixture.accepts(oldKey, 'old') && !fixture.accepts(newKey, 'new'))
  await fixture.write(newSet)
  assert.ok(fixture.accepts(oldKey, 'old'))
  await waitForLoads(fixture, 2)
  assert.ok(!fixture.accepts(oldKey, 'old') && fixture.accepts(newKey, 'new'))
})

test('a JWKS file that is exchanged by way of a link is read again', async (t) => {
  const fixture = await Fixture.create(t, '')
  await rm(fixture.path)
  await fixture.exchange(oldSet)
  await fixture.open()
  await fixture.exchange(newSet)
  await waitForLoads(fixture, 2)
  assert.ok(fixture.accepts(newKey, 'new'))
})

test('a bad JWKS file leaves the keys in force and is reported once', async (t) => {
  const fixture = await Fixture.create(t, oldSet)
  await fixture.open()
  await fixture.write(newSet.slice(0, -10))
  await look(fixture, () => fixture.events.ofType('keys_failed') === 1)
  const failed = fixture.events.all.at(-1)
  assert.ok(failed?.type === 'keys_failed')
  assert.equal(failed.kept, 1)
  assert.match(failed.message, /not JSON/)
  assert.ok(fixture.accepts(oldKey, 'old'))
  await rm(fixture.path)
  await look(fixture, () => fixture.events.ofType('keys_failed') === 2)
  assert.ok(fixture.accepts(oldKey, 'old'))
  await fixture.write(newSet)
  await waitForLoads(fixture, 2)
  assert.ok(fixture.accepts(newKey, 'new'))
  assert.equal(fixture.events.ofType('keys_failed'), 2)
})

test('an emptied key set withdraws all keys', async (t) => {
  const fixture = await Fixture.create(t, oldSet)
  await fixture.open()
  await fixture.write('{"keys":[]}')
  await waitForLoads(fixture, 2)
  assert.ok(!fixture.accepts(oldKey, 'old'))
})

test('a JWKS file that is missing, bad or without a key stops the start', async (t) => {
  const fixture = await Fixture.create(t, '')
  await assert.rejects(fixture.open(), /TIDEGATE_JWKS_FILE, .*jwks.json: it is not JSON/)
  await fixture.write('{"keys":[]}')
  await assert.rejects(fixture.open(), /No key to verify tokens with/)
  await fixture.write(' '.repeat(1_048_577))
  await assert.rejects(fixture.open(), /longer than 1048576 bytes/)
  await rm(fixture.path)
  await assert.rejects(fixture.open(), /ENOENT/)
  assert.equal(fixture.clock.pending, 0)
})

test('after close a JWKS file is looked at no more', async (t) => {
  const fixture = await Fixture.create(t, oldSet)
  await fixture.open()
  assert.equal(fixture.clock.pending, 1)
  fixture.close()
  assert.equal(fixture.clock.pending, 0)
})

function waitForLoads(fixture: Fixture, count: number): Promise<void> {
  return look(fixture, () => fixture.events.ofType('keys_loaded') === count)
}

/** Each turn of the clock is one more look at the file. */
async function look(fixture: Fixture, condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn += 1) {
    assert.ok(turn < 5_000, JSON.stringify(fixture.events.all))
    fixture.clock.advance(jwksFilePollMs)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

test('keys without a name that no token is tried with are told of', async (t) => {
  const keys = Array.from({ length: 10 }, () => makeEdKey())
  const members = keys.map((key, at) => jwkOf(key, at === 9 ? { kid: 'named' } : {}))
  const fixture = await Fixture.create(t, JSON.stringify({ keys: members }))
  await fixture.open()
  const [skipped, loaded, ...others] = fixture.events.all
  assert.deepEqual(others, [])
  assert.ok(skipped?.type === 'key_skipped' && skipped.kid === undefined)
  assert.match(skipped.reason, /no name of its own, and 8 others/)
  assert.ok(loaded?.type === 'keys_loaded' && loaded.keys === 9)
  assert.ok(fixture.accepts(keys[9] as TestKey, 'named'))
})
