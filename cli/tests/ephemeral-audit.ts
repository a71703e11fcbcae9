/** What is wrong in what a subscriber heard of an ephemeral channel: at most once, in order. */
import type { HeardEvent } from '../../loadtest/subscriber-record.js'

/** What is missing must lie where the subscription began anew, or a gap was told. */
export function ephemeralFaults(events: readonly HeardEvent[], name: string): readonly string[] {
  const faults: string[] = []
  let last: number | undefined
  let mayMiss = true
  for (const event of events) {
    if ('name' in event && event.name !== name) continue
    if (event.type === 'subscribed' || event.type === 'gap') mayMiss = true
    if (event.type !== 'publication') continue
    const { number } = event
    if (number === undefined) faults.push(`something came in ${name} that nobody published`)
    else {
      if (last !== undefined && number <= last) faults.push(`${number} came after ${last}`)
      else if (!mayMiss && number !== (last ?? 0) + 1) {
        faults.push(`what lies between ${last} and ${number} is lost, and nothing told so`)
      }
      last = number
      mayMiss = false
    }
  }
  return faults
}
