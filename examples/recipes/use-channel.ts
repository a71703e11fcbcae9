/** A React hook: what a component makes of a channel, for as long as it is on the page. */
import type { ChannelEvent, Tidegate } from '@tidegate/client'
import { useEffect, useReducer } from 'react'

export function useChannel<Data, State>(
  tidegate: Tidegate,
  name: string,
  reduce: (state: State, event: ChannelEvent<Data>) => State,
  initial: State,
): State {
  const [state, hear] = useReducer(reduce, initial)
  useEffect(() => {
    const channel = tidegate.channel<Data>(name)
    channel.on('publication', hear)
    channel.on('gap', hear)
    channel.on('problem', hear)
    return () => channel.close()
  }, [tidegate, name])
  return state
}
