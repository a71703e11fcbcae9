/** The gateway in the place of a target: one channel of it, beside the bare engine's one topic. */
import { startGatewayProcess, type GatewayProcess } from './gateway-process.js'
import type { StartOptions, Target } from './target.js'

const channel = 'bench.shared'

export async function startGateway(options: StartOptions): Promise<Target> {
  const settings = { TIDEGATE_NAMESPACES: '{"bench":{"history":false}}' }
  return gatewayTarget(await startGatewayProcess(options, settings), channel)
}

/** `channel` is subscribed by every connection. */
export function gatewayTarget(
  gateway: GatewayProcess,
  channel: string,
  { isDurable = false }: { readonly isDurable?: boolean } = {},
): Target {
  return {
    ...gateway,
    subject: `rt.pub.${channel}`,
    envelopeBytes: envelopeOf(channel).length,
    isDurable,
    endpoint: (kind, waitSeconds) => ({
      port: gateway.port,
      path: '/v1/events' + query(channel, kind, waitSeconds),
      secret: gateway.secret,
      permissions: { channels: [channel] },
      opensWithFrame: true,
    }),
  }
}

/** What the gateway puts around the payload; `time` has 13 digits until the year 2286. */
function envelopeOf(channel: string): string {
  return `{"type":"publication","channel":"${channel}","time":1000000000000,"data":}`
}

function query(channel: string, kind: string, waitSeconds: number | undefined): string {
  // A WebSocket is subscribed by its token's `channels` claim.
  if (kind === 'websocket') return ''
  return `?channels=${channel}` + (waitSeconds === undefined ? '' : `&wait=${waitSeconds}`)
}
