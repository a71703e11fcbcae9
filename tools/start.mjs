/** `npm start`: one node for development, with the demo, in memory or over a real NATS. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { runMain, setUp } from './setup.mjs'
import { root, SetupError } from './steps.mjs'

const help = `npm start [-- --port 8080] [--nats nats://127.0.0.1:4222]

Installs and compiles what is missing, then starts one gateway node for development and a demo.
  --port   port to listen on (default: TIDEGATE_PORT, else 8080; 0: any free one)
  --nats   the NATS server to use, with JetStream (default: TIDEGATE_NATS_URL, else a broker and a
           history in this process's memory); it gets the streams that are missing, and the demo's
           service runs as a process of its own
Other settings come from the environment, TIDEGATE_… as in README.md, and the file TIDEGATE_CONFIG;
only TIDEGATE_JWT_SECRET is made anew for each run. Ctrl-C ends everything.`

const tokenSecondsMax = 3600
const brokerWaitMs = 3000

function readArgs() {
  const options = {
    port: { type: 'string' },
    nats: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  }
  const values = parse(options)
  const { port } = values
  if (port !== undefined && (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)) {
    throw new SetupError(`--port must be a whole number from 0 to 65535, not ${port}.`)
  }
  return values
}

function parse(options) {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${help}`)
  }
}

/** What a development node is set to, unless the user says otherwise. */
function developmentEnvironment() {
  return {
    TIDEGATE_HOST: '127.0.0.1',
    // Off: a second node on this machine should not fail for the sake of metrics nobody reads.
    TIDEGATE_ADMIN_PORT: '0',
    TIDEGATE_NAMESPACES: JSON.stringify({ default: {}, stocks: { patterns: true } }),
    TIDEGATE_PROVISION: 'true',
    TIDEGATE_ALLOWED_ORIGINS: '*',
    TIDEGATE_SHUTDOWN_GRACE_SECONDS: '2',
    TIDEGATE_LOG_LEVEL: 'warn',
  }
}

/** Arguments before environment before file before what is usual in development. */
function nodeEnvironment({ port, nats }, secret, file) {
  // An empty variable is an unset one.
  const given = Object.entries(process.env).filter(([, value]) => value !== '')
  const inFile = Object.keys(readGiven(file))
  const usual = Object.entries(developmentEnvironment()).filter(([name]) => !inFile.includes(name))
  return {
    ...Object.fromEntries([...usual, ...given]),
    ...(port !== undefined && { TIDEGATE_PORT: port }),
    ...(nats !== undefined && { TIDEGATE_NATS_URL: nats }),
    TIDEGATE_JWT_SECRET: secret,
  }
}

/** What is wrong with the file is said when the node reads it. */
function readGiven(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) ?? {}
  } catch {
    return {}
  }
}

async function main() {
  const { help: wantsHelp, ...args } = readArgs()
  if (wantsHelp) return console.log(help)
  await setUp()
  const file = process.env.TIDEGATE_CONFIG || undefined
  const secret = randomBytes(32).toString('base64url')
  const env = nodeEnvironment(args, secret, file)
  const loaded = await loadConfig(env, file)
  const { config } = loaded
  const mint = await minter(secret, config)
  const node = await startNode({ env, file, assets: await demoAssets(mint) })
  const isOverNats = config.natsUrls.length > 0
  const endService = isOverNats ? startServiceProcess(env) : await startServiceHere(node)
  const token = await mint({ sub: 'developer', subscribe: ['>'], publish: ['>'] })
  const isConnected = await waitForBroker(node.broker)
  console.log(greeting(await describe(loaded, node.port), token))
  if (!isConnected) console.log('NATS is not there yet: the node goes on trying to reach it.\n')
  await untilSignal()
  endService()
  await node.close()
}

async function loadConfig(env, file) {
  const { loadConfigWithSources } = await import('../build/gateway/config.js')
  try {
    return loadConfigWithSources({ env, file, needsKey: true })
  } catch (error) {
    throw new SetupError(error.message)
  }
}

/** Mints what a node of this configuration takes. */
async function minter(secret, { jwtAudience, jwtIssuer, tokenLifetimeSecondsMax }) {
  const { mintToken } = await import('../build/gateway/mint-token.js')
  const ttlSeconds = Math.min(tokenSecondsMax, tokenLifetimeSecondsMax)
  const claims = { secret, ttlSeconds, audience: jwtAudience, issuer: jwtIssuer }
  return (more) => mintToken({ ...claims, ...more })
}

async function startNode(options) {
  const serve = await import('../build/cli/serve.js')
  try {
    return await serve.startNode(options)
  } catch (error) {
    const isTaken = error.message.startsWith('Cannot listen')
    throw new SetupError(
      isTaken ? `${error.message}\nTry another one: npm start -- --port 8081` : error.message,
    )
  }
}

/** So that the first line copied does not meet a node that is not ready; not forever. */
async function waitForBroker(broker) {
  const deadline = Date.now() + brokerWaitMs
  while (!broker.isConnected && Date.now() < deadline) await setTimeout(20)
  return broker.isConnected
}

/** The demo's files, and tokens for whoever opens the page: in development only. */
async function demoAssets(mint) {
  const { stocksAssets } = await import('../build/examples/stocks/assets.js')
  const { fileAsset } = await import('../build/gateway/assets.js')
  const assets = new Map()
  for (const [path, { file, contentType }] of stocksAssets(root)) {
    assets.set(path, fileAsset(file, contentType))
  }
  const viewer = { sub: 'demo', subscribe: ['stocks.*'] }
  assets.set('/demo/token', {
    contentType: 'application/json',
    read: async () => JSON.stringify({ token: await mint(viewer) }),
  })
  return assets
}

async function startServiceHere({ broker, config }) {
  const { readMonthlyPrices } = await import('../build/examples/stocks/monthly-prices.js')
  const { startStocksService } = await import('../build/examples/stocks/service.js')
  return startStocksService({
    prices: readMonthlyPrices(),
    publish: (subject, payload) => void broker.publish(subject, payload, {}),
    subjectPrefix: config.subjectPrefix,
  })
}

/** Of the settings it gets what concerns NATS, and nothing else. */
function startServiceProcess(env) {
  const wanted = /^(?!TIDEGATE_)|^TIDEGATE_(?:NATS_|SUBJECT_PREFIX$|CONFIG$)/
  const child = spawn(process.execPath, [join(root, 'tools/demo-service.mjs')], {
    env: Object.fromEntries(Object.entries(env).filter(([name]) => wanted.test(name))),
    // Its standard input closes when this process ends, even by SIGKILL: then it ends, too.
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  child.once('exit', (code) => {
    if (code) console.error(`The demo's service ended with code ${code}: no more prices come.`)
  })
  return () => child.kill('SIGTERM')
}

/** Resolves at the first Ctrl-C; a second one ends the process at once. */
function untilSignal() {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, resolve)
  })
}

/** What the greeting tells of the configuration; addresses without user and password. */
async function describe(loaded, port) {
  const { describeConfig } = await import('../build/gateway/config.js')
  const { host, tokenLifetimeSecondsMax } = loaded.config
  const isAny = host === '0.0.0.0' || host === '::'
  return {
    address: `http://${isAny ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host}:${port}`,
    nats: describeConfig(loaded).TIDEGATE_NATS_URL.value.join(', '),
    tokenSeconds: Math.min(tokenSecondsMax, tokenLifetimeSecondsMax),
  }
}

function greeting({ address, nats, tokenSeconds }, token) {
  const bearer = `-H 'Authorization: Bearer ${token}'`
  const events = `${address}/v1/events?channels=`
  const newline = "-w '\\n'"
  return `
Tidegate runs, with ${nats ? `NATS at ${nats}` : 'a broker in its own memory'}.

  !!  It uses a DEVELOPMENT secret, made for this run, and lets any web origin in:
  !!  never expose it, and never use its tokens anywhere else.

The demo:
  ${address}/

A token for ${tokenSeconds} seconds, which may subscribe and publish everything:
  ${token}

Live events by SSE:
  curl -N -H 'Accept: text/event-stream' ${bearer} '${events}stocks.AAPL,hello'

By long-poll, which waits for what is published below:
  curl ${newline} ${bearer} '${events}hello&wait=25'

Publish:
  curl ${newline} ${bearer} -d '{"channel":"hello","data":{"text":"hi"}}' ${address}/v1/publish

What a channel keeps, for whoever comes later:
  curl ${newline} ${bearer} '${address}/v1/history?channel=hello'

Ctrl-C ends it.
`
}

await runMain(main)
