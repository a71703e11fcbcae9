/** What a busy application does with the SDK, over and over: for pages that must not grow. */
import type { TidegateError } from '../../client/tidegate-error.js'
import type { Tidegate } from '../../client/tidegate.js'

const channelsPerRound = 4

/**
 * Holds channels that nobody held before, publishes in them, reads that in a loop and leaves; then
 * the same with a client of its own, which is closed with everything it holds.
 * @param round a number that no round of any page had
 */
export async function churn(
  lasting: Tidegate,
  open: () => Tidegate,
  signal: AbortSignal,
  round: number,
): Promise<void> {
  await useChannels(lasting, signal, `trades.lasting-${round}`)
  const passing = open()
  passing.on('state', () => undefined)
  await useChannels(passing, signal, `trades.passing-${round}`)
  passing.channel('orders.1')
  passing.close()
}

async function useChannels(tidegate: Tidegate, signal: AbortSignal, prefix: string): Promise<void> {
  const names = Array.from({ length: channelsPerRound }, (_, at) => `${prefix}-${at}`)
  await Promise.all(names.map((name) => useChannel(tidegate, signal, name)))
}

async function useChannel(tidegate: Tidegate, signal: AbortSignal, name: string): Promise<void> {
  const channel = tidegate.channel<number>(name, { signal })
  channel.on('publication', () => undefined)
  await new Promise<void>((resolve) => channel.on('subscribed', () => resolve()))
  // The loop is there before anything comes.
  const read = (async () => {
    for await (const { data } of channel.read({ signal })) if (data === 2) break
  })()
  try {
    for (const number of [1, 2]) await tidegate.publish(name, number, { signal })
    await read
  } catch (error) {
    // A connection that is cut may leave open whether it was made.
    if ((error as TidegateError).code !== 'publish_unanswered') throw error
  } finally {
    channel.close()
  }
}
