/** Frames leave in order, as many at once as a gateway takes, and the others when it takes them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FramePacer } from '../frame-pacer.js'
import { FakeClock } from './fake-clock.js'

function begin() {
  const clock = new FakeClock()
  const sent: string[] = []
  const pacer = new FramePacer(clock, (text) => sent.push(text))
  const send = (count: number): void => {
    for (let at = 0; at < count; at += 1) pacer.send(`${sent.length} ${at}`)
  }
  return { clock, sent, pacer, send }
}

test('a burst leaves at once, and the rest at 80 a second', () => {
  const { clock, sent, send } = begin()
  send(400)
  assert.equal(sent.length, 150)
  clock.advance(1_000)
  assert.equal(sent.length, 230)
  clock.advance(10_000)
  assert.equal(sent.length, 400)
  assert.deepEqual(
    sent.map((text) => Number(text.split(' ')[1])),
    Array.from({ length: 400 }, (_, at) => at),
  )
})

test('who rests gets the burst back, and no more', () => {
  const { clock, sent, send } = begin()
  send(150)
  clock.advance(3_600_000)
  send(200)
  assert.equal(sent.length, 300)
})

test('what waits when it closes is not sent', () => {
  const { clock, sent, pacer, send } = begin()
  send(151)
  pacer.close()
  clock.advance(10_000)
  assert.equal(sent.length, 150)
  assert.deepEqual(clock.delays, [])
})
