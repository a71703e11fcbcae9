/** The in-memory broker keeps the contract, and is matched against NATS' matching rule. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../shared/pattern.js'
import { MemoryBroker } from '../memory-broker.js'
import { SubjectIndex } from '../subject-index.js'
import { brokerContract } from './broker-contract.js'
import { openMemoryBroker } from './opened-broker.js'

brokerContract('memory', openMemoryBroker)

test('what receivers publish while they receive is bounded', async () => {
  const broker = new MemoryBroker()
  const results: Promise<{ readonly ok: boolean }>[] = []
  const noBytes = new Uint8Array()
  broker.subscribe('a', () => {
    for (let number = 0; number < 10_001; number += 1) {
      results.push(broker.publish('b', noBytes, {}))
    }
  })
  await broker.publish('a', noBytes, {})
  const taken = (await Promise.all(results)).filter(({ ok }) => ok)
  assert.deepEqual([results.length, taken.length], [10_001, 10_000])
})

test('the subject index finds exactly what matches, while entries come and go', () => {
  const token = fc.constantFrom('a', 'b', 'rt')
  const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
  const pattern = fc
    .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 4 }), fc.boolean())
    .map(([tokens, isOpen]) =>
      (isOpen || tokens.length === 0 ? [...tokens, '>'] : tokens).join('.'),
    )
  const step = fc.record({ pattern, entry: fc.nat(3), isAdded: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), subject, (steps, published) => {
      const index = new SubjectIndex<number>()
      const model = new Set<string>()
      for (const { pattern, entry, isAdded } of steps) {
        if (isAdded) {
          index.add(pattern, entry)
          model.add(`${pattern} ${entry}`)
        } else {
          index.delete(pattern, entry)
          model.delete(`${pattern} ${entry}`)
        }
      }
      const expected = [...model]
        .filter((key) => covers(key.split(' ')[0] as string, published))
        .map((key) => Number(key.split(' ')[1]))
      assert.deepEqual(index.match(published).sort(), expected.sort())
    }),
  )
})
