/** Whose fault a failure is, by what a gateway answers to a short poll. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../shared/limits.js'
import { probe } from '../probe.js'
import { ScriptedFetch, json, refused } from './scripted-fetch.js'
import { testGateway } from './test-gateway.js'

async function ask(answer: Response | 'lost', channels: readonly string[] = ['a']) {
  const script = new ScriptedFetch([answer])
  const gateway = testGateway('http://gateway', { fetch: script.fetch })
  const said = await probe(gateway, channels, new AbortController().signal)
  return { said: typeof said === 'object' ? said.code : said, requests: script.requests }
}

test('it asks for no more channels than a poll may name', async () => {
  const many = Array.from({ length: 40 }, (_, at) => `a${at}`)
  const { said, requests } = await ask(json({ cursor: 'c' }), many)
  assert.equal(said, 'works')
  const { channels, ...rest } = requests[0]?.body ?? {}
  assert.deepEqual(channels, many.slice(0, limits.requestChannelsMax))
  assert.deepEqual(rest, { wait: 0 })
})

test('a gateway that answers works, even where it refuses what is asked', async () => {
  assert.equal((await ask(new Response(null, { status: 204 }))).said, 'works')
  assert.equal((await ask(refused(403, 'forbidden'))).said, 'works')
  assert.equal((await ask(refused(400, 'bad_request'))).said, 'works')
})

test('what it says to all is obeyed', async () => {
  for (const [status, code] of [
    [503, 'overloaded'],
    [429, 'rate_limited'],
    [401, 'token_invalid'],
    [403, 'origin_refused'],
  ] as const) {
    assert.equal((await ask(refused(status, code))).said, code)
  }
})

test('who is no gateway is nobody', async () => {
  assert.equal((await ask('lost')).said, 'unreachable')
  assert.equal((await ask(refused(502))).said, 'unreachable')
  assert.equal((await ask(new Response('<html>log in first'))).said, 'unreachable')
})
