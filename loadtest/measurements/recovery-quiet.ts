/** A reconnect storm of clients that missed nothing: what it costs to be told so. */
import type { Measurement, Row } from '../measurement.js'
import { percentile } from '../percentiles.js'
import {
  choicesOf,
  comeBack,
  onRecoveryStage,
  secondsAfterHandshakes,
  settle,
  type StormFigures,
} from '../recovery-stage.js'

export const recoveryQuiet: Measurement = {
  name: 'recovery-quiet',
  summary: '15,000 clients that missed nothing come back to a fresh node',
  isGatewayOnly: true,
  run: (lab) =>
    onRecoveryStage(lab, 'recovery-quiet', async (stage) => {
      const { clients, rounds } = lab.sizes.storm
      const storms: StormFigures[] = []
      for (let round = 0; round < rounds; round += 1) {
        lab.progress(`recovery-quiet: round ${round + 1} of ${rounds}`)
        const gateway = await stage.freshGateway()
        const fleet = stage.history.startFleet(clients)
        await settle(stage, gateway)
        storms.push(await comeBack(stage, gateway, fleet, stage.upToDate))
        lab.progress(`  ${await choicesOf(gateway)}`)
        await fleet.stop()
        await gateway.stop()
      }
      return stormRows('recovery-quiet', 'nothing missed', storms)
    }),
}

/** What every storm without bystanders is judged by. */
export function stormRows(
  name: string,
  which: string,
  storms: readonly StormFigures[],
): readonly Row[] {
  const row = (
    part: string,
    what: string,
    unit: Row['unit'],
    of: (storm: StormFigures) => number,
  ): Row => ({
    name: `${name}-${part}`,
    what: `${which}: ${what}`,
    unit,
    gateway: storms.map(of),
  })
  return [
    row('after-handshakes', 'last handshake to last recovered', 's', secondsAfterHandshakes),
    row('nats-cpu', 'nats-server CPU, handshakes included', 's', (one) => one.natsCpuNs / 1e9),
    row('gateway-cpu', 'gateway CPU, handshakes included', 's', (one) => one.gatewayCpuNs / 1e9),
    row(
      'wait-p99',
      'subscribe to recovered, p99',
      'ms',
      (one) => percentile(one.waits, 0.99) / 1e3,
    ),
  ]
}
