/** The engine loader: which build it takes, what it refuses, and what it says then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engineBuilds, headerBytesMax, loadEngine, type EngineBuild } from '../engine.js'

const builds = engineBuilds('linux', 'x64', '115')
const [first, second] = builds as [EngineBuild, EngineBuild]
const noGlibc = new Error(
  "/lib/libc.so.6: version `GLIBC_2.38' not found (required by uws_linux_x64_115.node)",
)

/** As the two builds look; a newer one has more. */
function fakeEngine(features: readonly string[] = []): object {
  const app = Object.fromEntries(features.map((feature) => [feature, () => {}]))
  return {
    App: () => app,
    us_listen_socket_close: () => {},
    us_socket_local_port: () => {},
    DISABLED: 0,
  }
}

/** Loads what the table has, and notes what was asked for. */
function loader(
  table: Readonly<Record<string, unknown>>,
  asked: string[] = [],
): (specifier: string) => unknown {
  return (specifier) => {
    asked.push(specifier)
    const found = table[specifier] ?? new Error(`Cannot find module '${specifier}'`)
    if (found instanceof Error) throw found
    return found
  }
}

test('the first build that loads is taken, the second is not even asked for', () => {
  const asked: string[] = []
  const engine = fakeEngine(['addChildAppDescriptor', 'domain', 'filter'])
  const verdict = loadEngine(builds, loader({ [first.specifier]: engine }, asked))
  assert.ok(verdict.ok)
  assert.equal(verdict.engine, engine)
  assert.equal(verdict.build, 'uWebSockets.js')
  assert.deepEqual(verdict.lacks, [])
  assert.deepEqual(verdict.passedOver, [])
  assert.deepEqual(asked, ['uWebSockets.js'])
})

test('where the first does not load, the binary of the second is taken itself', () => {
  const binary = 'uws-legacy/binaries/uws_linux_x64_115.node'
  assert.equal(second.specifier, binary)
  const table = { [first.specifier]: noGlibc, [binary]: fakeEngine(['domain']) }
  const verdict = loadEngine(builds, loader(table))
  assert.ok(verdict.ok)
  assert.equal(verdict.build, 'uws-legacy')
  assert.deepEqual(verdict.lacks, ['addChildAppDescriptor', 'filter'])
  assert.equal(verdict.passedOver.length, 1)
  assert.match(String(verdict.passedOver[0]), /^uWebSockets\.js: .*GLIBC_2\.38/)
})

test('the entry of the second, which falls back to JavaScript, is never loaded', () => {
  const asked: string[] = []
  const imitation = fakeEngine()
  const verdict = loadEngine(builds, loader({ 'uws-legacy': imitation }, asked))
  assert.ok(!verdict.ok)
  assert.ok(asked.every((specifier) => specifier !== 'uws-legacy'))
  for (const { platform, arch, modules } of [
    { platform: 'linux', arch: 'arm64', modules: '108' },
    { platform: 'darwin', arch: 'x64', modules: '115' },
  ]) {
    for (const { specifier } of engineBuilds(platform, arch, modules)) {
      assert.ok(specifier === 'uWebSockets.js' || specifier.endsWith('.node'))
    }
  }
})

test('what loads and is no engine is passed over', () => {
  const others = [null, 'engine', {}, { App: 1 }, { App: () => ({}) }]
  for (const other of others) {
    const table = { [first.specifier]: other, [second.specifier]: fakeEngine() }
    const verdict = loadEngine(builds, loader(table))
    assert.ok(verdict.ok)
    assert.equal(verdict.build, 'uws-legacy')
  }
})

test('an engine that throws when it is used is passed over', () => {
  const broken = { ...fakeEngine(), App: () => assert.fail('illegal instruction') }
  const table = { [first.specifier]: broken, [second.specifier]: fakeEngine() }
  const verdict = loadEngine(builds, loader(table))
  assert.ok(verdict.ok)
  assert.deepEqual(verdict.passedOver, ['uWebSockets.js: illegal instruction'])
})

test('where none loads, the refusal says which Node and which glibc are wanted', () => {
  const verdict = loadEngine(builds, loader({ [first.specifier]: noGlibc }))
  assert.ok(!verdict.ok)
  assert.match(verdict.message, new RegExp(`on Node ${process.versions.node}`))
  assert.match(verdict.message, /Node 20, 22, 24 or 25 with glibc 2\.38/)
  assert.match(verdict.message, /Node 20 with glibc 2\.27/)
  assert.match(verdict.message, /musl/)
  assert.match(verdict.message, /uWebSockets\.js: .*GLIBC_2\.38/)
  assert.match(verdict.message, /uws-legacy: Cannot find module/)
})

test('the limit of the headers is set before a build is loaded (PROTOCOL 12.2)', () => {
  delete process.env['UWS_HTTP_MAX_HEADERS_SIZE']
  let seen: string | undefined
  loadEngine(builds, () => {
    seen ??= process.env['UWS_HTTP_MAX_HEADERS_SIZE']
    return fakeEngine()
  })
  assert.equal(seen, '16384')
  assert.equal(headerBytesMax, 16_384)
})

test('on this machine one of the two builds loads, and it is named', () => {
  const verdict = loadEngine()
  assert.ok(verdict.ok)
  assert.ok(['uWebSockets.js', 'uws-legacy'].includes(verdict.build))
})
