/** Runs the stocks service as a process of its own, with nothing but a NATS client. */
import { parseArgs } from 'node:util'
import { connect } from '@nats-io/transport-node'
import { readMonthlyPrices } from './monthly-prices.js'
import { startStocksService } from './service.js'

const help = `usage: node build/examples/stocks/main.js [--nats nats://127.0.0.1:4222]
         [--rate 5] [--subject-prefix rt]

Publishes the monthly prices of five stocks to <prefix>.pub.stocks.<symbol>, over and over.`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      nats: { type: 'string', default: 'nats://127.0.0.1:4222' },
      rate: { type: 'string', default: '5' },
      'subject-prefix': { type: 'string', default: 'rt' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return console.log(help)
  const perSecond = Number(values.rate)
  if (!(perSecond > 0 && perSecond <= 1000)) throw new Error('--rate is a number up to 1000')

  const nats = await connect({
    servers: values.nats,
    name: 'stocks-service',
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
  })
  console.log(`publishing ${perSecond} prices a second to ${values.nats}`)
  const stop = startStocksService({
    prices: readMonthlyPrices(),
    publish: (subject, payload) => nats.publish(subject, payload),
    perSecond,
    subjectPrefix: values['subject-prefix'],
  })
  const end = () => {
    stop()
    void nats.close() // a price that is lost now is an old one soon
  }
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  const error = await nats.closed()
  stop()
  if (error) throw error
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
