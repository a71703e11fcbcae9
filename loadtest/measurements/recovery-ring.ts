/** Clients that come back to the node that they left: the rings give what they missed. */
import { endpointOf, epochOf } from '../history-lab.js'
import type { Measurement } from '../measurement.js'
import {
  choicesOf,
  comeBack,
  onRecoveryStage,
  settle,
  type StormFigures,
} from '../recovery-stage.js'
import { stormRows } from './recovery-quiet.js'

/** Longer than publishing and coming back take; with room for what all rounds publish. */
const settings = { TIDEGATE_LINGER_SECONDS: '600', TIDEGATE_RINGS_BYTES_MAX: '1073741824' }

export const recoveryRing: Measurement = {
  name: 'recovery-ring',
  summary: '15,000 clients with three missed publications come back to the node that they left',
  isGatewayOnly: true,
  run: (lab) =>
    onRecoveryStage(lab, 'recovery-ring', async (stage) => {
      const { clients, missed, rounds } = lab.sizes.storm
      const { channels, history } = stage
      const gateway = await stage.freshGateway(settings)
      const fleet = history.startFleet(clients)
      const epoch = await epochOf(gateway, channels.names[0] ?? '')
      lab.progress(`recovery-ring: ${clients} clients, who leave`)
      await fleet.recover(endpointOf(gateway, {}), epoch, stage.upToDate)
      const storms: StormFigures[] = []
      for (let round = 0; round < rounds; round += 1) {
        lab.progress(`recovery-ring: round ${round + 1} of ${rounds}`)
        await fleet.close()
        const [before, since] = [await channels.starts(clients), channels.rounds]
        await channels.fill(missed)
        await settle(stage, gateway)
        storms.push(await comeBack(stage, gateway, fleet, channels.missed(before, since)))
        lab.progress(`  ${await choicesOf(gateway)}`)
      }
      await fleet.stop()
      await gateway.stop()
      return stormRows('recovery-ring', 'from the rings', storms)
    }),
}
