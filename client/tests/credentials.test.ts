/** Tokens and tickets: how often a provider is asked, and what is shown to the gateway. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Credentials, type TokenProvider } from '../credentials.js'
import { FakeClock } from './fake-clock.js'

const lifeMs = 100_000

/** A provider that gives t1, t2 and so on. */
function start(provider?: TokenProvider) {
  const clock = new FakeClock()
  let asked = 0
  const credentials = new Credentials(() => {
    asked += 1
    return provider === undefined ? `t${asked}` : provider()
  }, clock)
  return { clock, credentials, asked: () => asked }
}

test('nobody is asked before a token is wanted, and then once for all who want it', async () => {
  let give: (token: string) => void = () => undefined
  const given = new Promise<string>((resolve) => (give = resolve))
  const { credentials, asked, clock } = start(() => given)
  assert.equal(asked(), 0)
  const wanted = [credentials.get(), credentials.token(), credentials.get()]
  await Promise.resolve()
  assert.equal(asked(), 1)
  give('jwt')
  assert.deepEqual(await Promise.all(wanted), ['bearer.jwt', 'jwt', 'bearer.jwt'])
  assert.deepEqual(clock.delays, [], 'no timer is left')
})

test('a token is kept until 80% of its life has passed', async () => {
  const { credentials, clock, asked } = start()
  await credentials.token()
  assert.equal(credentials.learn(clock.now() + lifeMs), 80_000)
  clock.advance(79_999)
  assert.equal(await credentials.token(), 't1')
  clock.advance(1)
  assert.equal(await credentials.token(), 't2')
  assert.equal(await credentials.get(), 'bearer.t2')
  assert.equal(asked(), 2)
})

test('as long as nobody has said when it expires, it is kept', async () => {
  const { credentials, clock } = start()
  await credentials.token()
  clock.advance(86_400_000)
  assert.equal(await credentials.token(), 't1')
})

test('what the gateway refuses is not shown again', async () => {
  const { credentials, clock } = start()
  await credentials.token()
  credentials.learn(clock.now() + lifeMs, 'k1')
  credentials.refuse()
  assert.equal(await credentials.get(), 'bearer.t2')
})

test('a ticket goes before a token, but not when a renewal is due', async () => {
  const { credentials, clock, asked } = start()
  await credentials.token()
  credentials.learn(clock.now() + lifeMs, 'k1')
  assert.equal(await credentials.get(), 'ticket.k1')
  assert.equal(await credentials.token(), 't1', 'who needs a token gets one')
  credentials.learn(clock.now() + lifeMs, 'k2')
  assert.equal(await credentials.get(), 'ticket.k2')
  clock.advance(80_000)
  assert.equal(await credentials.get(), 'bearer.t2')
  assert.equal(await credentials.get(), 'bearer.t2', 'the ticket was of the token before')
  assert.equal(asked(), 2)
  credentials.learn(clock.now() + lifeMs, 'k3')
  assert.equal(await credentials.get(), 'ticket.k3')
})

test('an answer without a ticket takes the one before away', async () => {
  const { credentials, clock } = start()
  await credentials.token()
  credentials.learn(clock.now() + lifeMs, 'k1')
  credentials.learn(clock.now() + lifeMs)
  assert.equal(await credentials.get(), 'bearer.t1')
})

for (const [kind, provider] of [
  ['rejects', () => Promise.reject(new Error('offline'))],
  [
    'throws',
    () => {
      throw new Error('offline')
    },
  ],
] as const) {
  test(`a provider that ${kind} is asked again when a token is wanted again`, async () => {
    const { credentials, asked, clock } = start(provider)
    for (const wanted of [credentials.token(), credentials.get()]) {
      await assert.rejects(wanted, {
        name: 'TidegateError',
        code: 'token_unavailable',
        message: 'Error: offline',
        retryable: true,
      })
    }
    assert.equal(asked(), 1)
    await assert.rejects(credentials.token(), { code: 'token_unavailable' })
    assert.equal(asked(), 2)
    assert.deepEqual(clock.delays, [])
  })
}

test('a provider that never answers keeps nobody waiting for more than 30 s', async () => {
  const { credentials, clock, asked } = start(() => new Promise(() => undefined))
  const rejected = assert.rejects(credentials.token(), {
    code: 'token_unavailable',
    message: /does not answer/,
    retryable: true,
  })
  clock.advance(30_000)
  await rejected
  assert.equal(asked(), 1)
  const again = assert.rejects(credentials.token(), { code: 'token_unavailable' })
  assert.equal(asked(), 2)
  clock.advance(30_000)
  await again
})

test('while a token is refused in many calls at once, the provider is asked once', async () => {
  const { credentials, asked } = start()
  await credentials.token()
  const shown = await Promise.all([credentials.get(), credentials.get()])
  assert.deepEqual(shown, ['bearer.t1', 'bearer.t1'])
  credentials.refuse(shown[0])
  assert.equal(await credentials.get(), 'bearer.t2')
  // Another call, which had shown the first token, hears of that only now.
  credentials.refuse(shown[1])
  assert.equal(await credentials.get(), 'bearer.t2')
  assert.equal(asked(), 2)
})
