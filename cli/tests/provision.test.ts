/** `tidegate provision` shows what it changes, changes it, and says what it cannot. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { loadConfig } from '../../gateway/config.js'
import { startNats, type NatsServer } from '../../hub/tests/nats-server.js'
import { prepareStreams, type StreamsReport } from '../streams.js'
import { tidegate } from './spawned.js'

const namespaces = {
  orders: { history: { maxBytes: 1_000_000 } },
  chat: { history: false },
}

interface Ran {
  readonly code: number | string
  readonly out: readonly string[]
  readonly err: string
}

function envOf(server: NatsServer, given: object = namespaces): Record<string, string> {
  return { TIDEGATE_NATS_URL: server.url, TIDEGATE_NAMESPACES: JSON.stringify(given) }
}

async function run(
  t: TestContext,
  env: Record<string, string>,
  ...args: readonly string[]
): Promise<Ran> {
  const spawned = tidegate(t, ['provision', ...args], env)
  const code = await spawned.exit()
  return { code, out: spawned.stdout.trimEnd().split('\n'), err: spawned.stderr }
}

function prepare(server: NatsServer, env: Record<string, string> = {}): Promise<StreamsReport> {
  const all = { ...envOf(server), ...env }
  return prepareStreams(loadConfig({ env: all, openFilesMax: 20_000 }))
}

test('tidegate provision shows the stream, makes it, and then finds nothing to do', async (t) => {
  const server = await startNats(t, { jetStream: true })
  const dry = await run(t, envOf(server), '--dry-run')
  assert.equal(dry.code, 0, dry.err)
  assert.equal(dry.out[0], 'rt_orders (namespace orders): to be made')
  assert.ok(dry.out.includes('  subjects: rt.pub.orders.>'))
  assert.equal(dry.out.at(-1), '  metadata: tidegate.schema 1')

  const made = await run(t, envOf(server))
  assert.deepEqual([made.code, made.out[0], made.out.at(-1)], [0, dry.out[0], 'rt_orders: created'])
  const again = await run(t, envOf(server))
  assert.deepEqual([again.code, again.out], [0, ['rt_orders (namespace orders): fits']])

  const fewer = { orders: { history: { maxBytes: 1_000_000, messagesPerChannel: 7 } } }
  const updated = await run(t, envOf(server, fewer), '--yes')
  assert.deepEqual(
    [updated.code, updated.out],
    [
      0,
      [
        'rt_orders (namespace orders): to be updated',
        '  max_msgs_per_subject: 100 → 7',
        'rt_orders: updated',
      ],
    ],
  )

  const other = { orders: { history: { maxBytes: 1_000_000, storage: 'memory' } } }
  const unfit = await run(t, envOf(server, other))
  assert.equal(unfit.code, 1)
  assert.equal(unfit.out[0], 'rt_orders (namespace orders): does not fit')
  assert.match(unfit.err, /NATS cannot change it: delete the stream/)
})

test('tidegate provision says why it cannot', async (t) => {
  const none = await run(t, {})
  assert.equal(none.code, 1)
  assert.match(none.err, /TIDEGATE_NATS_URL is not set/)
  assert.equal((await run(t, {}, 'orders')).code, 2)

  const server = await startNats(t)
  const without = await run(t, envOf(server))
  assert.equal(without.code, 1)
  assert.match(without.err, /no JetStream here/)
  const ephemeral = await run(t, envOf(server, { chat: { history: false } }))
  assert.deepEqual(
    [ephemeral.code, ephemeral.out],
    [0, ['No namespace is durable: there is no stream to make.']],
  )
  await server.kill()
  const away = await run(t, envOf(server))
  assert.equal(away.code, 1)
  assert.match(away.err, /NATS cannot be reached: /)
})

test('a node that may provision makes its streams, another one says what to run', async (t) => {
  const server = await startNats(t, { jetStream: true })
  const refused = await prepare(server)
  assert.deepEqual(refused, {
    faults: [
      'Namespace orders has no stream rt_orders: ' +
        'run `tidegate provision`, or set TIDEGATE_PROVISION=true.',
    ],
    notices: [],
  })
  const made = await prepare(server, { TIDEGATE_PROVISION: 'true' })
  assert.deepEqual(made, { faults: [], notices: ['Stream rt_orders: created.'] })
  assert.deepEqual(await prepare(server), { faults: [], notices: [] })

  const fewer = { orders: { history: { maxBytes: 1_000_000, messagesPerChannel: 7 } } }
  const { faults } = await prepare(server, { TIDEGATE_NAMESPACES: JSON.stringify(fewer) })
  assert.equal(faults.length, 1)
  assert.match(faults[0] ?? '', /max_msgs_per_subject: 100 → 7.*run `tidegate provision`/)
})

test('a NATS that is away does not keep a node from starting', async (t) => {
  const server = await startNats(t, { jetStream: true })
  await server.kill()
  const { faults, notices } = await prepare(server)
  assert.deepEqual(faults, [])
  assert.match(notices[0] ?? '', /^The streams are not checked: /)
  const config = loadConfig({ env: {}, openFilesMax: 20_000 })
  assert.deepEqual(await prepareStreams(config), { faults: [], notices: [] })
})
