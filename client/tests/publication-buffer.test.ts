/** A reader gets everything in order, or hears what made room; and always an end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PublicationBuffer, type ReadOptions } from '../publication-buffer.js'
import { TidegateError } from '../tidegate-error.js'

function begin(options: ReadOptions) {
  const dropped: number[] = []
  const pauses: boolean[] = []
  const buffer: PublicationBuffer<number> = new PublicationBuffer<number>(options, {
    dropped: (item) => dropped.push(item),
    paced: () => pauses.push(buffer.isPaused),
  })
  const push = (...items: readonly number[]): void => {
    for (const item of items) buffer.push(item)
  }
  const read = async (): Promise<number[]> => {
    const all: number[] = []
    for await (const item of buffer.read()) all.push(item)
    return all
  }
  return { buffer, dropped, pauses, push, read }
}

test('what waits is read in order, and then what comes', async () => {
  const { buffer, dropped, push, read } = begin({ bufferMax: 3 })
  push(1, 2, 3)
  const reading = read()
  await new Promise((resolve) => setImmediate(resolve))
  buffer.push(4)
  buffer.end()
  buffer.push(5)
  assert.deepEqual(await reading, [1, 2, 3, 4])
  assert.deepEqual(dropped, [])
})

test('over the bound the oldest goes, and that is said', async () => {
  const { buffer, dropped, pauses, push, read } = begin({ bufferMax: 2 })
  push(1, 2, 3, 4)
  buffer.end()
  assert.deepEqual(dropped, [1, 2])
  assert.deepEqual(await read(), [3, 4])
  assert.deepEqual(pauses, [])
})

test('who wants the latest is told nothing of what made room', async () => {
  const { buffer, dropped, push, read } = begin({ bufferMax: 1, whenFull: 'latest' })
  push(1, 2, 3, 4)
  buffer.end()
  assert.deepEqual(await read(), [4])
  assert.deepEqual(dropped, [])
})

test('a full one pauses until half is read, and loses nothing', async () => {
  const { buffer, dropped, pauses, push } = begin({ bufferMax: 4, whenFull: 'pause' })
  const reading = buffer.read()
  push(1, 2, 3)
  assert.deepEqual(pauses, [])
  // Some were on their way when it paused.
  push(4, 5, 6)
  const paused: boolean[] = []
  for (const expected of [1, 2, 3, 4, 5, 6]) {
    assert.equal((await reading.next()).value, expected)
    paused.push(buffer.isPaused)
  }
  assert.deepEqual(paused, [true, true, true, false, false, false])
  assert.deepEqual(pauses, [true, false])
  assert.deepEqual(dropped, [])
})

test('what a reader waits for makes no pause, however small the bound', async () => {
  const { buffer, pauses, push } = begin({ bufferMax: 1, whenFull: 'pause' })
  const reading = buffer.read()
  for (const item of [1, 2]) {
    const next = reading.next()
    push(item)
    assert.equal((await next).value, item)
  }
  assert.deepEqual(pauses, [])
  push(3)
  assert.deepEqual(pauses, [true])
  assert.equal((await reading.next()).value, 3)
  assert.deepEqual(pauses, [true, false])
})

test('a bound below 1 counts as 1', async () => {
  const { buffer, dropped, push, read } = begin({ bufferMax: 0 })
  push(1, 2)
  buffer.end()
  assert.deepEqual(await read(), [2])
  assert.deepEqual(dropped, [1])
})

test('an error comes after what waited, and once', async () => {
  const { buffer } = begin({})
  buffer.push(1)
  buffer.end(new TidegateError('token_invalid', 'no'))
  const reading = buffer.read()
  assert.deepEqual(await reading.next(), { done: false, value: 1 })
  await assert.rejects(reading.next(), { code: 'token_invalid' })
  assert.deepEqual(await reading.next(), { done: true, value: undefined })
})

test('several calls of next are answered in turn', async () => {
  const { buffer, push } = begin({})
  const reading = buffer.read()
  const [first, second, third] = [reading.next(), reading.next(), reading.next()]
  push(1, 2)
  buffer.end()
  assert.deepEqual(
    (await Promise.all([first, second, third])).map(({ value }) => value),
    [1, 2, undefined],
  )
})

test('all is read when the reader comes back for more, not when it has the last', async () => {
  const { buffer, push } = begin({})
  const reading = buffer.read()
  push(1, 2)
  const read: boolean[] = []
  for (let count = 0; count < 2; count += 1) {
    await reading.next()
    read.push(buffer.isRead)
  }
  const next = reading.next()
  await new Promise((resolve) => setImmediate(resolve))
  read.push(buffer.isRead)
  push(3)
  read.push(buffer.isRead)
  await next
  assert.deepEqual(read, [false, false, true, false])
})

test('who leaves reads nothing of what waits', async () => {
  const { buffer, push } = begin({})
  const reading = buffer.read()
  push(1, 2)
  await reading.next()
  buffer.leave()
  push(3)
  assert.deepEqual(await reading.next(), { done: true, value: undefined })
})
