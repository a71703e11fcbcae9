/** `node build/cli/tests/measure-heap.js --minutes 10`: heaps of pages under churn, for longer. */
import { parseArgs } from 'node:util'
import { launchBrowser } from '../../client/tests/browser.js'
import { describeGrowth, measureHeaps } from './heap-churn.js'
import { openScope } from './processes.js'

const samplesPerMinute = 2

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
const minutes = Number(values.minutes)
if (!(minutes >= 1)) throw new RangeError(`--minutes must be 1 or more, not ${values.minutes}`)

const scope = openScope()
const browser = await launchBrowser()
scope.after(() => browser.close())
try {
  const growths = await measureHeaps(scope, browser, {
    warmUpSeconds: 30,
    seconds: minutes * 60,
    samples: minutes * samplesPerMinute + 1,
    cutSeconds: 3,
  })
  for (const growth of growths) {
    console.log(describeGrowth(growth))
    console.log(growth.samples.map((bytes) => Math.round(bytes / 1024)).join(' '))
  }
} finally {
  await scope.end()
}
