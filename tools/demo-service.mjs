/** The service of the demo as a process of its own: it knows NATS, its login and its subjects. */
import { createBroker } from '../build/cli/broker.js'
import { readMonthlyPrices } from '../build/examples/stocks/monthly-prices.js'
import { startStocksService } from '../build/examples/stocks/service.js'
import { loadConfig } from '../build/gateway/config.js'
import { systemClock } from '../build/gateway/system-clock.js'

// By environment: what is in the arguments can be read by everybody on the machine.
const file = process.env.TIDEGATE_CONFIG || undefined
const config = loadConfig({ env: process.env, file })
const broker = await createBroker(config, systemClock, Math.random)
await broker.start()
const stop = startStocksService({
  prices: readMonthlyPrices(),
  publish: (subject, payload) => void broker.publish(subject, payload, {}),
  subjectPrefix: config.subjectPrefix,
})

async function end() {
  stop()
  await broker.close()
  process.exit(0)
}

process.once('SIGINT', end)
process.once('SIGTERM', end)
// It closes when who started this ends, in whatever way.
process.stdin.resume().once('close', end)
