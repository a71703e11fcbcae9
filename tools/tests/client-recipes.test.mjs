/** The recipes of client/README.md, run with the package as its users have it installed. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, test } from 'node:test'
import { build } from 'esbuild'
import { mint, serve, Spawned } from '../../build/cli/tests/spawned.js'
import { launchBrowser } from '../../build/client/tests/browser.js'
import { installClient } from '../pack-client.mjs'
import { root } from '../steps.mjs'

let folder

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-recipes-'))
  installClient(folder)
  symlinkSync(join(root, 'node_modules/ws'), join(folder, 'node_modules/ws'))
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  cpSync(join(root, 'build/examples/recipes'), folder, { recursive: true })
  mkdirSync(join(folder, 'bin'))
  symlinkSync(join(root, 'cli/bin.mjs'), join(folder, 'bin/tidegate'))
})

after(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a recipe, with `tidegate` on its PATH. Ends with the test. */
function runRecipe(t, args, env = {}) {
  const path = [join(folder, 'bin'), process.env.PATH].join(delimiter)
  const child = spawn(process.execPath, args, { cwd: folder, env: { PATH: path, ...env } })
  const recipe = new Spawned(child)
  t.after(async () => {
    child.kill('SIGKILL')
    await recipe.exit()
  })
  return recipe
}

async function publish(url, token, channel, data) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ channel, data })
  const response = await fetch(`${url}/v1/publish`, { method: 'POST', headers, body })
  assert.equal(response.status, 200, await response.text())
}

test('recipe: a service on Node hears what is published, and ends when it is told', async (t) => {
  const { url } = await serve(t, { TIDEGATE_NAMESPACES: '{"orders":{}}' })
  const token = await mint(t, '--subscribe', 'orders.*', '--publish', 'orders.*')
  writeFileSync(join(folder, 'token'), token)
  const service = runRecipe(t, ['bill-orders.js'], { GATEWAY: url, TOKEN_FILE: 'token' })
  await service.until('it listens', ({ stdout }) => stdout.includes('listening'))
  for (const id of [1, 2]) await publish(url, token, 'orders.shop-7', { id, total: id * 10 })
  await service.until('both', ({ stdout }) => stdout.includes('bill 20 for order 2'))
  service.child.kill('SIGTERM')
  assert.equal(await service.exit(), 0, service.stderr)
  const lines = ['listening', 'bill 10 for order 1', 'bill 20 for order 2', '']
  assert.equal(service.stdout, lines.join('\n'))
})

test('recipe: a service on Node whose token is refused for good ends with an error', async (t) => {
  const { url } = await serve(t, { TIDEGATE_NAMESPACES: '{"orders":{}}' })
  writeFileSync(join(folder, 'bad-token'), 'a.b.c')
  const service = runRecipe(t, ['bill-orders.js'], { GATEWAY: url, TOKEN_FILE: 'bad-token' })
  assert.equal(await service.exit(), 1)
  assert.match(service.stderr, /TidegateError.*[^]*token_invalid/)
})

test('recipe: a test of an application starts a gateway of its own', async (t) => {
  const recipe = runRecipe(t, ['--test', '--test-reporter=tap', 'orders.test.js'])
  assert.equal(await recipe.exit(), 0, recipe.stdout + recipe.stderr)
  assert.match(recipe.stdout, /^# pass 1$/m)
})

/** Two components with the hook, told from outside whether they are there. */
const page = `
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Tidegate } from '@tidegate/client'
import { useChannel } from './use-channel.js'

const { url, token } = Object.fromEntries(new URLSearchParams(location.search))
const tidegate = new Tidegate(url, { token: () => token })
const show = (shown, event) => [...shown, event.publication?.data ?? event.type]

function Orders({ id }) {
  return <output id={id}>{useChannel(tidegate, 'orders.42', show, []).join(' ')}</output>
}

const root = createRoot(document.body)
globalThis.tidegate = tidegate
globalThis.render = (ids) =>
  root.render(<StrictMode>{ids.map((id) => <Orders key={id} id={id} />)}</StrictMode>)
`

async function bundle() {
  const { outputFiles } = await build({
    stdin: { contents: page, resolveDir: folder, loader: 'jsx' },
    ...{ bundle: true, write: false, format: 'esm', jsx: 'automatic' },
    ...{ nodePaths: [join(root, 'node_modules')] },
    // Its development build mounts every effect twice in strict mode.
    define: { 'process.env.NODE_ENV': '"development"' },
  })
  return outputFiles[0].text
}

/** Serves the bundle, and a page that loads it. */
async function servePage(t, script) {
  const html =
    '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>'
  const server = createServer(({ url }, response) => {
    const isScript = url === '/page.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : html)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close().closeAllConnections())
  return `http://127.0.0.1:${server.address().port}`
}

/** The page in a browser, and what its WebSocket carries. */
async function openPage(t, url, token) {
  const address = await servePage(t, await bundle())
  const browser = await launchBrowser()
  t.after(() => browser.close())
  const opened = await browser.newPage()
  const [faults, sent, received] = [[], [], new EventEmitter()]
  opened.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  opened.on('pageerror', (error) => faults.push(error.message))
  const typeOf = ({ payload }) => JSON.parse(payload).type
  opened.on('websocket', (socket) => {
    socket.on('framesent', (frame) => sent.push(typeOf(frame)))
    socket.on('framereceived', (frame) => received.emit(typeOf(frame)))
  })
  await opened.goto(`${address}/?${new URLSearchParams({ url, token })}`)
  const render = (...ids) => opened.evaluate((each) => globalThis.render(each), ids)
  const hears = (id, text) =>
    opened.waitForFunction(
      ([own, wanted]) => document.getElementById(own)?.textContent === wanted,
      [id, text],
    )
  const isIn = (state) =>
    opened.waitForFunction((type) => globalThis.tidegate.state.type === type, state)
  return { render, hears, isIn, faults, sent, received }
}

test('recipe: React components share a subscription, and the last to leave ends it', async (t) => {
  const env = { TIDEGATE_NAMESPACES: '{"orders":{}}', TIDEGATE_ALLOWED_ORIGINS: '*' }
  const { url } = await serve(t, env)
  const token = await mint(t, '--subscribe', 'orders.*', '--publish', 'orders.*')
  const { render, hears, isIn, faults, sent, received } = await openPage(t, url, token)
  const publishNext = (data) => publish(url, token, 'orders.42', data)
  const takesFirst = (...ids) => Promise.all([once(received, 'subscribed'), render(...ids)])

  await takesFirst('a', 'b')
  await publishNext('one')
  await Promise.all([hears('a', 'one'), hears('b', 'one')])
  await render('b')
  await publishNext('two')
  await hears('b', 'one two')
  assert.deepEqual(sent, ['subscribe'], 'mounted twice and shared, it is one subscription')

  await render()
  await isIn('idle')
  await takesFirst('c')
  await publishNext('three')
  await hears('c', 'three')
  assert.deepEqual(faults, [])
})
