/** Serves a page under audit, and tokens to it, as the server of an application does. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { mint } from '../../gateway/tests/tokens.js'
import type { TestScope } from '../../hub/tests/nats-server.js'

const html =
  '<!doctype html><title>under audit</title><script type="module" src="/page.js"></script>'

export class PageServer {
  readonly origin: string
  /** Of the tokens from now on. */
  tokenSeconds = 600
  /** So many tokens were asked for, by pages or not. */
  tokenCount = 0

  private constructor(origin: string) {
    this.origin = origin
  }

  static async start(scope: TestScope): Promise<PageServer> {
    const script = await bundle()
    const server = createServer(({ url }, response) => {
      const [type, body] =
        url === '/token'
          ? ['text/plain', page.token()]
          : url === '/page.js'
            ? ['text/javascript', script]
            : ['text/html', html]
      response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' })
      response.end(body)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const page = new PageServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    scope.after(() => {
      server.closeAllConnections()
      server.close()
    })
    return page
  }

  token(): string {
    this.tokenCount += 1
    const exp = Math.floor(Date.now() / 1000) + this.tokenSeconds
    return mint({ sub: 'page', subscribe: ['>'], publish: ['>'], exp })
  }
}

/** Of the page's program as it was compiled. */
async function bundle(): Promise<string> {
  const entry = fileURLToPath(new URL('browser-page.js', import.meta.url))
  const options = { bundle: true, write: false, format: 'esm', target: 'es2022' } as const
  const { outputFiles } = await build({ entryPoints: [entry], ...options })
  return outputFiles[0]?.text ?? ''
}
