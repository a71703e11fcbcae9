/** `npm start`: one node for development, with the demo, in memory or over a real NATS. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { runMain, setUp } from './setup.mjs'
import { root, SetupError } from './steps.mjs'

const help = `npm start [-- --port 8080] [--nats nats://127.0.0.1:4222]

Installs and compiles what is missing, then starts one gateway node for development and a demo.
  --port   port to listen on, on 127.0.0.1 (default 8080; 0: any free one)
  --nats   the NATS server to use (default: a broker in this process's memory); the demo's service
           then runs as a process of its own
Other settings come from the environment, TIDEGATE_… as in README.md. Ctrl-C ends everything.`

const tokenSeconds = 3600
const brokerWaitMs = 3000

function readArgs() {
  const options = {
    port: { type: 'string', default: '8080' },
    nats: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  }
  const values = parse(options)
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535) {
    throw new SetupError(`--port must be a whole number from 0 to 65535, not ${values.port}.`)
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

/** What a development node is set to; what the user has set in the environment goes before it. */
function developmentEnvironment() {
  return {
    TIDEGATE_HOST: '127.0.0.1',
    // Off: a second node on this machine should not fail for the sake of metrics nobody reads.
    TIDEGATE_ADMIN_PORT: '0',
    TIDEGATE_NAMESPACES: JSON.stringify({
      default: { history: false },
      stocks: { history: false, patterns: true },
    }),
    TIDEGATE_ALLOWED_ORIGINS: '*',
    TIDEGATE_SHUTDOWN_GRACE_SECONDS: '2',
    TIDEGATE_LOG_LEVEL: 'warn',
  }
}

async function main() {
  const { port, nats, help: wantsHelp } = readArgs()
  if (wantsHelp) return console.log(help)
  await setUp()
  const secret = randomBytes(32).toString('base64url')
  const env = {
    ...developmentEnvironment(),
    ...process.env,
    TIDEGATE_PORT: port,
    TIDEGATE_JWT_SECRET: secret,
    ...(nats === undefined ? {} : { TIDEGATE_NATS_URL: nats }),
  }
  const node = await startNode(env, await demoAssets(secret))
  const endService = env.TIDEGATE_NATS_URL
    ? startServiceProcess(env.TIDEGATE_NATS_URL)
    : await startServiceHere(node.broker)
  const { mintToken } = await import('../build/gateway/mint-token.js')
  const everything = { sub: 'developer', subscribe: ['>'], publish: ['>'] }
  const token = await mintToken({ secret, ttlSeconds: tokenSeconds, ...everything })
  const isConnected = await waitForBroker(node.broker)
  console.log(greeting(`http://127.0.0.1:${node.port}`, token, env.TIDEGATE_NATS_URL))
  if (!isConnected) console.log('NATS is not there yet: the node goes on trying to reach it.\n')
  await untilSignal()
  endService()
  await node.close()
}

async function startNode(env, assets) {
  const serve = await import('../build/cli/serve.js')
  try {
    return await serve.startNode({ env, assets })
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
async function demoAssets(secret) {
  const { stocksAssets } = await import('../build/examples/stocks/assets.js')
  const { fileAsset } = await import('../build/gateway/assets.js')
  const { mintToken } = await import('../build/gateway/mint-token.js')
  const assets = new Map()
  for (const [path, { file, contentType }] of stocksAssets(root)) {
    assets.set(path, fileAsset(file, contentType))
  }
  const viewer = { sub: 'demo', subscribe: ['stocks.*'] }
  assets.set('/demo/token', {
    contentType: 'application/json',
    read: async () =>
      JSON.stringify({ token: await mintToken({ secret, ttlSeconds: tokenSeconds, ...viewer }) }),
  })
  return assets
}

async function startServiceHere(broker) {
  const { readMonthlyPrices } = await import('../build/examples/stocks/monthly-prices.js')
  const { startStocksService } = await import('../build/examples/stocks/service.js')
  return startStocksService({
    prices: readMonthlyPrices(),
    publish: (subject, payload) => void broker.publish(subject, payload, {}),
  })
}

/** The service as it would run anywhere: it gets the address of NATS and nothing else. */
function startServiceProcess(nats) {
  const args = ['build/examples/stocks/main.js', '--nats', nats]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  child.once('exit', (code) => {
    if (code) console.error(`The demo's service ended with code ${code}: no more prices come.`)
  })
  const end = () => child.kill('SIGTERM')
  process.once('exit', end)
  return end
}

/** Resolves at the first Ctrl-C; a second one ends the process at once. */
function untilSignal() {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, resolve)
  })
}

function greeting(address, token, nats) {
  const bearer = `-H 'Authorization: Bearer ${token}'`
  const channels = 'channels=stocks.AAPL,hello'
  return `
Tidegate runs, with ${nats ? `NATS at ${nats}` : 'a broker in its own memory'}.

  !!  It uses a DEVELOPMENT secret, made for this run, and lets any web origin in:
  !!  never expose it, and never use its tokens anywhere else.

The demo:
  ${address}/

A token for one hour, which may subscribe and publish everything:
  ${token}

Live events by SSE:
  curl -N -H 'Accept: text/event-stream' ${bearer} '${address}/v1/events?${channels}'

By long-poll:
  curl ${bearer} '${address}/v1/events?${channels}&wait=25'

Publish:
  curl ${bearer} -d '{"channel":"hello","data":{"text":"hi"}}' ${address}/v1/publish

Ctrl-C ends it.
`
}

await runMain(main)
