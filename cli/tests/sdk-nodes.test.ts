/** The SDK in Node, by each transport, while its nodes and its tokens come and go. */
import { test } from 'node:test'
import { scenarios } from './sdk-scenarios.js'
import { transportNames } from './sdk-scene.js'

const bounded = { timeout: 120_000 }

for (const { promise, run } of scenarios) {
  test(`in Node, ${promise}`, bounded, (t) =>
    run(t, (scene) => {
      for (const name of transportNames) scene.node(name, [name])
      return scene.untilUp()
    }),
  )
}
