/** What a client has got: duplicates and losses are seen, and no place is beyond what has come. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Position } from '../../shared/position.js'
import { Progress } from '../progress.js'

const epoch = '5f0c3a9be214'
const other = 'a41b09c2d7e8'
const time = 9

function at(offset: number, more: Partial<Position> = {}): Position {
  return { epoch, offset, ...more }
}

function all(): boolean {
  return true
}

test('PROTOCOL 5.10: what is not above the last offset is a duplicate', () => {
  const progress = new Progress()
  assert.equal(progress.take({ channel: 'a', offset: 5, time }), 'next')
  for (const offset of [1, 4, 5]) {
    assert.equal(progress.take({ channel: 'a', offset, time }), 'duplicate')
  }
  assert.equal(progress.take({ channel: 'b', offset: 4, time }), 'next')
  assert.equal(progress.take({ channel: 'a', offset: 9, previous: 5, time }), 'next')
})

test('PROTOCOL 5.10: what follows something that has not come breaks the chain', () => {
  const progress = new Progress()
  progress.begin('a', at(10), false)
  const broken = { channel: 'a', offset: 14, previous: 12, time }
  for (let count = 0; count < 2; count++) assert.equal(progress.take(broken), 'broken')
  assert.deepEqual(progress.place('a'), at(10), 'it is not got')
  assert.equal(progress.take({ channel: 'a', offset: 12, previous: 8, time }), 'next')
  assert.equal(progress.take(broken), 'next')
})

test('after a gap the chain begins anew, but nothing comes twice', () => {
  const progress = new Progress()
  const of = (offset: number, previous: number) => ({ channel: 'a', offset, previous, time })
  progress.begin('a', at(10), false)
  progress.gap({ channel: 'a', after: 10, before: 40 })
  assert.equal(progress.take(of(39, 38)), 'duplicate')
  assert.equal(progress.take(of(45, 43)), 'next')
  assert.equal(progress.take(of(50, 47)), 'broken')
  progress.gap({ channel: 'a', epoch: other, offset: 3 })
  assert.equal(progress.take(of(3, 2)), 'duplicate')
  assert.equal(progress.take(of(6, 5)), 'next')
  progress.gap({ channel: 'a' })
  assert.equal(progress.take(of(6, 5)), 'duplicate')
  assert.equal(progress.take(of(9, 8)), 'next', 'a gap without bounds')
})

test('ephemeral publications have no chain', () => {
  const progress = new Progress()
  for (let count = 0; count < 2; count++) {
    assert.equal(progress.take({ channel: 'a', time }), 'next')
  }
})

test('by a pattern only duplicates are known, of a bounded number of channels', () => {
  const progress = new Progress()
  const of = (channel: string, offset: number, previous = 0) => {
    return { channel, pattern: 'n.*', offset, previous, time }
  }
  assert.equal(progress.take(of('n.a', 5)), 'next')
  assert.equal(progress.take(of('n.a', 9, 7)), 'next')
  assert.equal(progress.take(of('n.a', 9)), 'duplicate')
  assert.equal(progress.take({ channel: 'n.a', offset: 9, time }), 'next')
  for (let count = 0; count < 1_000; count++) progress.take(of(`n.${count}`, 10))
  assert.equal(progress.take(of('n.a', 9)), 'next', 'it was heard of longest ago')
  assert.equal(progress.take(of('n.999', 10)), 'duplicate')
  progress.gap({ channel: 'n.*', epoch: other, offset: 0 })
  assert.equal(progress.take(of('n.999', 10)), 'next')
})

test('what is forgotten begins anew, by channel and by pattern', () => {
  const progress = new Progress()
  progress.begin('n.a', at(7), false)
  progress.take({ channel: 'n.b', pattern: 'n.*', offset: 5, time })
  progress.forget('n.a')
  progress.forget('n.*')
  assert.equal(progress.place('n.a'), undefined)
  assert.equal(progress.take({ channel: 'n.a', offset: 3, time }), 'next')
  assert.equal(progress.take({ channel: 'n.b', pattern: 'n.*', offset: 5, time }), 'next')
})

test('PROTOCOL 14.2: a subscription that begins now takes what subscribed says', () => {
  const progress = new Progress()
  progress.begin('a', at(40, { time: 5, verified: 57 }), false)
  assert.deepEqual(progress.place('a'), at(40, { time: 5, verified: 57 }))
  progress.take({ channel: 'a', offset: 60, previous: 40, time: 9 })
  assert.deepEqual(progress.place('a'), at(60, { time: 9, verified: 57 }))
  assert.equal(progress.place('b'), undefined)
})

test('PROTOCOL 14.2: who is behind keeps its own until everything up to live has come', () => {
  const progress = new Progress()
  progress.begin('a', at(10, { verified: 12 }), false)
  progress.begin('a', at(40, { verified: 57 }), true)
  progress.take({ channel: 'a', offset: 20, previous: 10, time: 2 })
  assert.deepEqual(progress.place('a'), at(20, { time: 2, verified: 12 }))
  progress.take({ channel: 'a', offset: 40, previous: 20, time: 4 })
  assert.deepEqual(progress.place('a'), at(40, { time: 4, verified: 57 }))
  progress.begin('a', at(40, { verified: 99 }), true)
  assert.deepEqual(progress.place('a'), at(40, { time: 4, verified: 99 }), 'nothing was missed')
})

test('with the newest so many there is no place before the first has come', () => {
  const progress = new Progress()
  progress.begin('a', at(40, { verified: 57 }), true)
  assert.equal(progress.place('a'), undefined)
  assert.equal(progress.isDurable('a'), true)
  progress.take({ channel: 'a', offset: 38, previous: 30, time: 3 })
  assert.deepEqual(progress.place('a'), at(38, { time: 3 }))
  progress.begin('quiet', at(40, { verified: 57 }), true)
  progress.heartbeat({ default: { epoch, offset: 60 } }, all)
  assert.deepEqual(progress.place('quiet'), at(40, { verified: 60 }))
})

test('PROTOCOL 14.2: a heartbeat raises what is verified, in its namespace and epoch', () => {
  const progress = new Progress()
  for (const name of ['n.a', 'm.a', 'n.*', 'n.unheard']) {
    progress.begin(name, at(5, { verified: 7 }), false)
  }
  const isHeard = (name: string) => name !== 'n.unheard'
  const verified = { n: { epoch, offset: 90 }, m: { epoch: other, offset: 90 } }
  progress.heartbeat(verified, isHeard)
  assert.deepEqual(progress.place('n.a'), at(5, { verified: 90 }))
  assert.deepEqual(progress.place('m.a'), at(5, { verified: 7 }))
  assert.deepEqual(progress.place('n.*'), at(90, { verified: 90 }))
  assert.deepEqual(progress.place('n.unheard'), at(5, { verified: 7 }))
  progress.heartbeat({ n: { epoch, offset: 80 } }, isHeard)
  assert.deepEqual(progress.place('n.a'), at(5, { verified: 90 }), 'it never falls')
})

test('PROTOCOL 14.2: a gap sets the offset, and takes time and verified away', () => {
  const progress = new Progress()
  progress.begin('a', at(5, { time: 1, verified: 7 }), false)
  progress.gap({ channel: 'a', after: 5, before: 30 })
  assert.deepEqual(progress.place('a'), at(29))
  progress.gap({ channel: 'a', epoch: other, offset: 3 })
  assert.deepEqual(progress.place('a'), { epoch: other, offset: 3 })
  progress.take({ channel: 'a', offset: 4, previous: 3, time: 8 })
  assert.deepEqual(progress.place('a'), { epoch: other, offset: 4, time: 8 })
})

test('PROTOCOL 14.7: publications do not move the place in a pattern', () => {
  const progress = new Progress()
  const of = (offset: number) => ({ channel: 'n.a', pattern: 'n.*', offset, time: 1 })
  progress.begin('n.*', at(10), false)
  progress.take(of(12))
  assert.deepEqual(progress.place('n.*'), at(10))
  progress.begin('n.*', at(40, { verified: 40 }), true)
  progress.take(of(30))
  assert.deepEqual(progress.place('n.*'), at(10), 'its history is not through')
  progress.take(of(41))
  assert.deepEqual(progress.place('n.*'), at(40, { verified: 40 }))
})

test('the newest of a pattern: who is cut off among them goes on with the rest', () => {
  const progress = new Progress()
  progress.begin('n.*', at(40), true)
  assert.equal(progress.place('n.*'), undefined, 'they are asked for again')
  progress.take({ channel: 'n.a', pattern: 'n.*', offset: 38, time })
  progress.take({ channel: 'n.b', pattern: 'n.*', offset: 39, time })
  assert.deepEqual(progress.place('n.*'), at(38))
  const again = { channel: 'n.b', pattern: 'n.*', offset: 39, time }
  assert.equal(progress.take(again), 'duplicate', 'what comes again is dropped')
})

test('a cursor is a place until everything that it left out has come', () => {
  const progress = new Progress()
  progress.resume('a', 'c1')
  assert.equal(progress.isDurable('a'), false, 'nothing tells')
  progress.begin('a', at(40, { verified: 57 }), true)
  assert.equal(progress.place('a'), 'c1')
  progress.take({ channel: 'a', offset: 38, previous: 30, time: 3 })
  assert.deepEqual(progress.place('a'), at(38, { time: 3 }))
  progress.take({ channel: 'a', offset: 40, previous: 38, time: 4 })
  assert.deepEqual(progress.place('a'), at(40, { time: 4, verified: 57 }))
})

test('a cursor after which nothing came is a position with the first heartbeat', () => {
  const progress = new Progress()
  for (const name of ['n.a', 'n.*']) {
    progress.resume(name, 'c1')
    progress.begin(name, at(40, { verified: 57 }), true)
  }
  progress.heartbeat({ n: { epoch, offset: 90 } }, all)
  assert.deepEqual(progress.place('n.a'), at(40, { verified: 90 }))
  assert.deepEqual(progress.place('n.*'), at(90, { verified: 90 }))
})

test('a gap behind a cursor is a position in the history that goes on', () => {
  const progress = new Progress()
  progress.resume('a', 'c1')
  progress.begin('a', at(40), true)
  progress.gap({ channel: 'a', before: 30 })
  assert.deepEqual(progress.place('a'), at(29))
  assert.equal(progress.take({ channel: 'a', offset: 29, time }), 'duplicate')
  assert.equal(progress.take({ channel: 'a', offset: 33, previous: 31, time }), 'next')
})

test('by event stream and poll the cursor is the place, whatever comes between', () => {
  const progress = new Progress()
  progress.begin('a', at(40), false)
  progress.moveTo('c1', ['a', 'b'])
  progress.take({ channel: 'a', offset: 41, previous: 40, time })
  progress.gap({ channel: 'a', before: 50 })
  assert.deepEqual([progress.place('a'), progress.place('b')], ['c1', 'c1'])
  progress.take({ channel: 'a', offset: 51, previous: 49, time })
  assert.equal(progress.take({ channel: 'a', offset: 51, previous: 49, time }), 'duplicate')
})

test('what goes on from a position does not hear again what lay before it', () => {
  const progress = new Progress()
  progress.resume('a', at(40))
  assert.equal(progress.take({ channel: 'a', offset: 40, previous: 38, time }), 'duplicate')
  assert.equal(progress.take({ channel: 'a', offset: 44, previous: 42, time }), 'broken')
  assert.equal(progress.take({ channel: 'a', offset: 41, previous: 40, time }), 'next')
})

test('all places are forgotten at once, and named', () => {
  const progress = new Progress()
  progress.resume('a', 'c1')
  progress.begin('b', at(5), false)
  progress.beginEphemeral('c')
  assert.deepEqual(progress.forgetPlaces(), ['a', 'b'])
  assert.deepEqual([progress.place('a'), progress.place('b')], [undefined, undefined])
  assert.deepEqual(progress.forgetPlaces(), [])
})

test('what two connections begin at a time comes once', () => {
  const progress = new Progress()
  const of = (offset: number, previous: number) => ({ channel: 'a', offset, previous, time })
  progress.begin('a', at(40, { verified: 40 }), false)
  progress.take(of(41, 40))
  progress.begin('a', at(40, { verified: 40 }), false)
  assert.equal(progress.take(of(41, 40)), 'duplicate')
  progress.begin('a', at(45, { verified: 50 }), false)
  assert.deepEqual(
    progress.place('a'),
    at(41, { time, verified: 40 }),
    'what comes by the first is to come yet',
  )
  assert.equal(progress.take(of(47, 45)), 'broken')
  assert.equal(progress.take(of(45, 41)), 'next')
  assert.deepEqual(progress.place('a'), at(45, { time, verified: 50 }))
})

test('a gap that two connections tell brings nothing twice', () => {
  const progress = new Progress()
  progress.begin('a', at(10), false)
  progress.gap({ channel: 'a', after: 10, before: 40 })
  progress.take({ channel: 'a', offset: 45, previous: 43, time })
  progress.gap({ channel: 'a', after: 10, before: 40 })
  assert.equal(progress.take({ channel: 'a', offset: 45, previous: 43, time }), 'duplicate')
  assert.deepEqual(progress.place('a'), at(45, { time }))
})

test('of an ephemeral channel something is missed between two subscriptions, never before', () => {
  const progress = new Progress()
  assert.equal(progress.isCutOff('a'), false)
  assert.equal(progress.beginEphemeral('a'), false)
  assert.equal(progress.isCutOff('a'), true)
  assert.equal(progress.beginEphemeral('a'), true)
  progress.moveTo('c1', ['a'])
  assert.equal(progress.isCutOff('a'), false, 'the cursor covers it')
  assert.equal(progress.beginEphemeral('a'), true, 'and what follows it does not come by WebSocket')
  progress.forget('a')
  assert.equal(progress.beginEphemeral('a'), false)
})
