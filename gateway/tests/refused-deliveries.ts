/** How many publications the subscribers of a hub refuse, by what they answer to it. */
import type { Hub } from '../../hub/hub.js'

/** Of those who subscribe from now on. */
export function refusedDeliveries(hub: Hub): () => number {
  let refused = 0
  const subscribe = hub.subscribe.bind(hub)
  hub.subscribe = (name, subscriber) => {
    const deliver = subscriber.deliver.bind(subscriber)
    subscriber.deliver = (publication, subscription) => {
      const isTaken = deliver(publication, subscription)
      if (!isTaken) refused += 1
      return isTaken
    }
    return subscribe(name, subscriber)
  }
  return () => refused
}
