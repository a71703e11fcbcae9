/** The package @tidegate/client as npm would publish it: contents, types, documents and size. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { bytesMax, measureClient, sizeReport } from '../client-size.mjs'
import { root } from '../steps.mjs'

const typescript = join(root, 'node_modules/typescript/bin/tsc')
const quiet = ['--silent', '--offline', '--ignore-scripts', '--no-audit', '--no-fund']

let folder
let tarball
/** The paths of the files in it. */
let paths

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-package-'))
  const pack = ['pack', '-w', 'client', '--json', '--silent', '--pack-destination', folder]
  const { output } = await run('npm', pack)
  const [packed] = JSON.parse(output)
  tarball = join(folder, packed.filename)
  paths = packed.files.map(({ path }) => path)
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  await runWell('npm', ['install', ...quiet, tarball], folder)
})

after(() => rmSync(folder, { recursive: true, force: true }))

/** Resolves with the exit code and all output, in `cwd`, or the root. */
function run(program, args, cwd = root) {
  return new Promise((resolve) => {
    execFile(program, args, { cwd }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? 1) : 0, output: stdout, said: `${stdout}${stderr}` })
    })
  })
}

async function runWell(program, args, cwd) {
  const { code, output, said } = await run(program, args, cwd)
  assert.equal(code, 0, said)
  return output
}

function runInstalled(script, ...args) {
  return runWell(process.execPath, [join(root, 'node_modules', script), ...args])
}

test('the package holds modules, declarations, licence and readme, and no more', () => {
  const isExpected = (path) =>
    /^dist\/(?:client|shared)\/[a-z0-9-]+\.(?:js|d\.ts)$/.test(path) ||
    ['LICENSE', 'README.md', 'package.json'].includes(path)
  assert.deepEqual(
    paths.filter((path) => !isExpected(path)),
    [],
  )
  for (const path of ['dist/client/index.js', 'dist/client/index.d.ts', 'LICENSE', 'README.md']) {
    assert.ok(paths.includes(path), path)
  }
})

test('the package depends on nothing, and has no module that its door does not need', () => {
  const manifest = readPackage('package.json')
  assert.equal(JSON.parse(manifest).dependencies, undefined)
  assert.deepEqual(
    paths.filter((path) => /fake|test/.test(path)),
    [],
  )
})

test('the licence in the package is the one of the repository', () => {
  assert.equal(readPackage('LICENSE'), readFileSync(join(root, 'LICENSE'), 'utf8'))
})

test('publint finds nothing to say of the package', async () => {
  await runInstalled('publint/src/cli.js', tarball, '--strict')
})

test('every resolution of TypeScript finds the types of the package', async () => {
  // It is ESM only: `require` and resolutions without `exports` are nobody's promise.
  await runInstalled('@arethetypeswrong/cli/dist/index.js', tarball, '--profile', 'esm-only')
})

test('every export is documented, and the documents are made without a warning', async () => {
  const options = ['--options', 'client/typedoc.json', '--emit', 'none']
  await runInstalled('typedoc/bin/typedoc', ...options)
})

const application = `
import {
  EventStreamTransport, gapSentence, LongPollTransport, memoryPositions, Tidegate, TidegateError,
  WebSocketTransport, type Channel, type Publication, type TidegateOptions, type Transport,
} from '@tidegate/client'
import type { msgpackCodec as codec } from '@tidegate/client/msgpack'

interface Order { readonly id: number }
const transports: readonly Transport[] = [
  new WebSocketTransport(), new EventStreamTransport(), new LongPollTransport(),
]
export const binary = (own: typeof codec): Transport => new WebSocketTransport(undefined, own)
const positions = memoryPositions()
const options: TidegateOptions = { token: () => Promise.resolve('a token'), transports, positions }
const tidegate = new Tidegate('https://rt.example.com', options)
const orders: Channel<Order> = tidegate.channel<Order>('orders.42', {})
orders.on('publication', ({ publication }) => void (publication.data.id + 1))
orders.on('gap', (gap) => void gapSentence(gap).length)
const forget: () => void = tidegate.on('state', ({ state }) => {
  if (state.type === 'waiting') void (state.until + 1)
})
export async function ids(): Promise<number[]> {
  const found: number[] = []
  const loop = orders.read({ bufferMax: 10, whenFull: 'pause' })
  for await (const { data } of loop) found.push(data.id)
  return found
}
export async function told(): Promise<readonly Publication[] | string> {
  try {
    const { offset = 0 } = await tidegate.publish('orders.42', { id: 1 })
    return (await tidegate.history('orders.42', { after: offset })).publications
  } catch (error) {
    return error instanceof TidegateError ? error.code : 'another'
  }
}
forget()
export const before: string = tidegate.state.type
tidegate.close()
export const found: Promise<readonly [string, number[], readonly Publication[] | string]> =
  Promise.all([tidegate.state.type, ids(), told()])
`

const compilerOptions = {
  ...{ strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true },
  ...{ target: 'ES2022', lib: ['ES2022', 'DOM'], types: [] },
}

for (const [module, moduleResolution] of [
  ['esnext', 'bundler'],
  ['nodenext', 'nodenext'],
]) {
  test(`an application type-checks by ${moduleResolution}, without Node's types`, async () => {
    const project = join(folder, moduleResolution)
    mkdirSync(project)
    writeFileSync(join(project, 'application.ts'), application)
    const options = { ...compilerOptions, module, moduleResolution }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options }))
    await runWell(process.execPath, [typescript, '-p', project], folder)
    const script = `const { before, found } = await import('./${moduleResolution}/application.js')
      console.log(JSON.stringify([before, ...(await found)]))`
    const output = await runWell(process.execPath, ['--input-type=module', '-e', script], folder)
    assert.deepEqual(JSON.parse(output), ['idle', 'closed', [], 'closed'])
  })
}

test('MessagePack is an entry point of its own, for who installs msgpackr', async () => {
  const script = `import { msgpackCodec } from '@tidegate/client/msgpack'
    const frame = msgpackCodec.encode({ type: 'ping', id: 7 })
    console.log(JSON.stringify(msgpackCodec.decode(frame.buffer.slice(...bounds(frame)))))
    function bounds({ byteOffset, length }) { return [byteOffset, byteOffset + length] }`
  const args = ['--input-type=module', '-e', script]
  symlinkSync(join(root, 'node_modules/msgpackr'), join(folder, 'node_modules/msgpackr'))
  const output = await runWell(process.execPath, args, folder)
  assert.deepEqual(JSON.parse(output), { type: 'ping', id: 7 })
})

test(`an application pays at most ${bytesMax} bytes for the client, gzipped`, async (t) => {
  const size = await measureClient()
  t.diagnostic(sizeReport(size))
  assert.ok(size.gzippedBytes <= bytesMax, sizeReport(size))
  // What nobody uses falls away: the door has no side effects.
  assert.deepEqual(
    size.modules.filter(({ path }) => /index|gap-sentence/.test(path)),
    [],
  )
})

function readPackage(path) {
  return readFileSync(join(folder, 'node_modules/@tidegate/client', path), 'utf8')
}
