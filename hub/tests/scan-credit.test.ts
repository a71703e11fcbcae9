/** A scan asks for so much ahead that the server never waits, and never for more than two pulls. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ScanCredit } from '../scan-credit.js'

const pullBytes = 131_072

function grants(credit: ScanCredit): number[] {
  const all: number[] = []
  for (let bytes = credit.grant(); bytes !== undefined; bytes = credit.grant()) all.push(bytes)
  return all
}

test('two pulls are under way, and another one follows what has come of one', () => {
  const credit = new ScanCredit()
  assert.deepEqual(grants(credit), [pullBytes, pullBytes])
  credit.received(pullBytes - 1)
  assert.deepEqual(grants(credit), [])
  credit.received(1)
  assert.deepEqual(grants(credit), [pullBytes])
})

test('what did not fit into the rest of a pull is asked for anew', () => {
  const credit = new ScanCredit()
  grants(credit)
  credit.received(pullBytes - 100)
  credit.refused(100)
  assert.deepEqual(grants(credit), [pullBytes])
})

test('a publication that fits into no pull gets larger ones', () => {
  const credit = new ScanCredit()
  grants(credit)
  for (let under = 0; under < 2; under += 1) credit.refused(pullBytes)
  assert.deepEqual(grants(credit), [2 * pullBytes, 2 * pullBytes])
  for (let under = 0; under < 2; under += 1) credit.refused(2 * pullBytes)
  assert.deepEqual(grants(credit), [4 * pullBytes, 4 * pullBytes])
})

test('when nothing comes, everything is asked for anew', () => {
  const credit = new ScanCredit()
  grants(credit)
  credit.reset()
  assert.deepEqual(grants(credit), [pullBytes, pullBytes])
})

test('whatever comes, something is under way, and at most two pulls and a publication', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: pullBytes })), (sizes) => {
      const credit = new ScanCredit()
      let ahead = 0
      for (const size of sizes) {
        for (const bytes of grants(credit)) ahead += bytes
        assert.ok(ahead > pullBytes && ahead <= 2 * pullBytes)
        credit.received(size)
        ahead -= size
      }
    }),
  )
})
