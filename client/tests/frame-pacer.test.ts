/** Frames leave in order, as many at once as a gateway takes, and the others when it takes them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../shared/limits.js'
import { FramePacer, burstMax, perSecond } from '../frame-pacer.js'
import { FakeClock } from './fake-clock.js'

function begin() {
  const clock = new FakeClock()
  const sent: object[] = []
  const pacer = new FramePacer(clock, (frame) => sent.push(frame))
  const send = (count: number): void => {
    for (let id = 0; id < count; id += 1) pacer.send({ id })
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
    sent,
    Array.from({ length: 400 }, (_, id) => ({ id })),
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

test('PROTOCOL 4.17: a gateway takes more at once, and more a second', () => {
  assert.ok(burstMax < limits.framesBurstMax && perSecond < limits.framesPerSecondMax)
  const { clock, sent, send } = begin()
  send(1_000)
  assert.ok(sent.length < limits.framesBurstMax)
  for (let second = 0; second < 5; second += 1) {
    const before = sent.length
    clock.advance(1_000)
    assert.ok(sent.length - before < limits.framesPerSecondMax)
  }
})

test('what is sent while another frame leaves comes after it', () => {
  const order: object[] = []
  const pacer: FramePacer = new FramePacer(new FakeClock(), (frame) => {
    if (order.push(frame) === 1) pacer.send({ id: 3 })
  })
  pacer.send({ id: 1 })
  pacer.send({ id: 2 })
  assert.deepEqual(order, [{ id: 1 }, { id: 3 }, { id: 2 }])
})
