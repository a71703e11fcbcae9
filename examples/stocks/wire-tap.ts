/** Listens in on what an SDK says and hears: the socket and the `fetch` that it is given. */
import type { OpenSocket } from '../../client/websocket-transport.js'

export interface WireText {
  readonly direction: 'in' | 'out'
  readonly text: string
}

type Listener = (heard: WireText) => void

/** A socket's frames. The token that a refresh carries is left out. */
export function tappedSocket(listener: Listener): OpenSocket {
  return (url, protocols) => {
    const socket = new WebSocket(url, protocols)
    listener({ direction: 'out', text: `GET ${new URL(url).pathname} Upgrade: websocket` })
    const send = socket.send.bind(socket)
    socket.send = (data) => {
      const text = String(data).replace(/("token":)"[^"]*"/, '$1"…"')
      listener({ direction: 'out', text })
      send(data)
    }
    socket.addEventListener('message', ({ data }) => {
      listener({ direction: 'in', text: String(data) })
    })
    return socket
  }
}

/** Requests and answers; of an event stream its events, one by one. Tokens are in headers. */
export function tappedFetch(listener: Listener): typeof fetch {
  return async (input, init) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input)
    const body = typeof init?.body === 'string' ? ` ${init.body}` : ''
    listener({ direction: 'out', text: `${init?.method ?? 'GET'} ${pathname}${body}` })
    const response = await fetch(input, init)
    const isStream = response.headers.get('content-type') === 'text/event-stream'
    const [own, other] = response.body?.tee() ?? [null, null]
    const copy = new Response(own, response)
    void listen(copy, isStream, listener).catch(() => undefined)
    return new Response(other, response)
  }
}

async function listen(response: Response, isStream: boolean, listener: Listener): Promise<void> {
  const hear = (text: string): void => listener({ direction: 'in', text })
  if (!isStream) return hear(`${response.status} ${await response.text()}`)
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value = '' } = (await reader?.read()) ?? { done: true }
    if (done) return
    const events = (rest + value).split('\n\n')
    rest = events.pop() ?? ''
    for (const event of events) hear(event)
  }
}
