/** What may happen to a client of the SDK, wherever it runs, without costing it a publication. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { transportNames, SdkScene } from './sdk-scene.js'

/** Opens a client for each transport, and waits for them. */
export type Connect = (scene: SdkScene) => Promise<unknown>

export interface Scenario {
  readonly promise: string
  run(t: TestContext, connect: Connect): Promise<void>
}

/** Shorter than any that a person would use. */
const tokenSeconds = 4
const tokensLeast = 4

async function publishTo(
  t: TestContext,
  connect: Connect,
  env: Readonly<Record<string, string>> = {},
): Promise<SdkScene> {
  const scene = await SdkScene.start(t, env)
  await connect(scene)
  scene.publish()
  await scene.untilHeard(100)
  return scene
}

/** Each was connected again, by the transport that it has. */
function assertReturned({ clients }: SdkScene): void {
  for (const { subscriber, connections } of clients) {
    // A poll that is answered has lost nothing: the next one may go elsewhere.
    const least = subscriber === 'long-poll' ? 1 : 2
    assert.ok(connections.length >= least, `${subscriber} was connected once`)
    assert.deepEqual([...new Set(connections)], [subscriber])
  }
}

const killed: Scenario = {
  promise: 'a node is killed while much is published: all comes once, from the other',
  async run(t, connect) {
    const scene = await publishTo(t, connect)
    await scene.nodes[0]?.end('SIGKILL')
    await scene.untilAcknowledged(50)
    scene.leadTo(1)
    await scene.untilUp()
    await scene.untilHeard(100)
    await scene.assertFlawless()
    assertReturned(scene)
  },
}

const drained: Scenario = {
  promise: 'a node is drained while much is published: all comes once, from the other',
  async run(t, connect) {
    const scene = await publishTo(t, connect)
    scene.leadTo(1)
    assert.equal(await scene.nodes[0]?.end('SIGTERM'), 0)
    await scene.untilUp()
    await scene.untilHeard(100)
    await scene.assertFlawless()
    assertReturned(scene)
  },
}

const expiring: Scenario = {
  promise: 'tokens expire every few seconds while much is published: all comes once',
  async run(t, connect) {
    const expires = async (scene: SdkScene): Promise<void> => {
      scene.server.tokenSeconds = tokenSeconds
      await connect(scene)
    }
    const scene = await publishTo(t, expires, { TIDEGATE_CLOCK_TOLERANCE_SECONDS: '0' })
    const least = transportNames.length * tokensLeast
    while (scene.server.tokenCount < least) await scene.untilHeard(50)
    await scene.assertFlawless()
    for (const { subscriber, problems } of scene.clients) {
      const others = problems.filter((code) => code !== 'token_expired')
      assert.deepEqual(others, [], `${subscriber} had other problems`)
    }
  },
}

export const scenarios: readonly Scenario[] = [killed, drained, expiring]
