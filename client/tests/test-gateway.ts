/** A gateway as the client sees it, with time and chance that a test turns. */
import type { Clock } from '../clock.js'
import type { TokenProvider } from '../credentials.js'
import { Gateway } from '../gateway.js'
import { FakeClock } from './fake-clock.js'

export interface TestGatewayOptions {
  readonly clock?: Clock
  readonly random?: () => number
  readonly token?: TokenProvider
  readonly fetch?: typeof fetch
}

export function testGateway(url: string, options: TestGatewayOptions = {}): Gateway {
  const { clock = new FakeClock(), random = () => 0.5, token = () => 't' } = options
  return new Gateway(url, token, { clock, random }, options.fetch ?? fetch)
}
