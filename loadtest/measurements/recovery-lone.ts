/** A client that comes back alone to a large stream: how soon it has what it missed. */
import type { Measurement, Row } from '../measurement.js'
import { percentile } from '../percentiles.js'
import { choicesOf, comeBack, onRecoveryStage, settle } from '../recovery-stage.js'

export const recoveryLone: Measurement = {
  name: 'recovery-lone',
  summary: 'one client with three missed publications, again and again, in the same large stream',
  isGatewayOnly: true,
  run: (lab) =>
    onRecoveryStage(lab, 'recovery-lone', async (stage) => {
      const { loneClients } = lab.sizes.storm
      const gateway = await stage.freshGateway()
      const fleet = stage.history.startFleet(loneClients)
      const spacing = Math.floor(stage.behind.length / (loneClients + 1))
      const start = (at: number): (typeof stage.behind)[number][] =>
        stage.behind.slice(at * spacing, at * spacing + 1)
      lab.progress(`recovery-lone: ${loneClients} clients, one after another`)
      await settle(stage, gateway)
      // The first one finds cold code and a cold store.
      await comeBack(stage, gateway, fleet, start(loneClients))
      const waits = new Uint32Array(loneClients)
      for (let at = 0; at < loneClients; at += 1) {
        waits.set((await comeBack(stage, gateway, fleet, start(at))).waits, at)
      }
      lab.progress(`  ${await choicesOf(gateway)}`)
      await fleet.stop()
      await gateway.stop()
      waits.sort()
      const what = 'lone client: subscribe to third publication'
      const ms = (fraction: number): number[] => [percentile(waits, fraction) / 1000]
      const budget = { of: 'gateway', max: 10 } as const
      const rows: Row[] = [
        { name: 'recovery-lone-p50', what: `${what}, p50`, unit: 'ms', gateway: ms(0.5), budget },
        { name: 'recovery-lone-p99', what: `${what}, p99`, unit: 'ms', gateway: ms(0.99) },
      ]
      return rows
    }),
}
