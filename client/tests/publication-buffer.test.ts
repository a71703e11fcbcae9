/** A reader gets everything in order, or hears what made room; and always an end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PublicationBuffer } from '../publication-buffer.js'
import { TidegateError } from '../tidegate-error.js'

function begin(max: number) {
  const dropped: number[] = []
  let returns = 0
  const buffer = new PublicationBuffer<number>(
    max,
    (item) => dropped.push(item),
    () => (returns += 1),
  )
  const read = async (): Promise<number[]> => {
    const all: number[] = []
    for await (const item of { [Symbol.asyncIterator]: () => buffer }) all.push(item)
    return all
  }
  return { buffer, dropped, read, returns: () => returns }
}

test('what waits is read in order, and then what comes', async () => {
  const { buffer, dropped, read } = begin(3)
  for (const item of [1, 2, 3]) buffer.push(item)
  const reading = read()
  await new Promise((resolve) => setImmediate(resolve))
  buffer.push(4)
  buffer.end()
  buffer.push(5)
  assert.deepEqual(await reading, [1, 2, 3, 4])
  assert.deepEqual(dropped, [])
})

test('over the bound the oldest goes, and that is said', async () => {
  const { buffer, dropped, read } = begin(2)
  for (const item of [1, 2, 3, 4]) buffer.push(item)
  buffer.end()
  assert.deepEqual(dropped, [1, 2])
  assert.deepEqual(await read(), [3, 4])
})

test('an error comes after what waited, and once', async () => {
  const { buffer } = begin(2)
  buffer.push(1)
  buffer.end(new TidegateError('token_invalid', 'no'))
  assert.deepEqual(await buffer.next(), { done: false, value: 1 })
  await assert.rejects(buffer.next(), { code: 'token_invalid' })
  assert.deepEqual(await buffer.next(), { done: true, value: undefined })
})

test('several calls of next are answered in turn', async () => {
  const { buffer } = begin(2)
  const [first, second, third] = [buffer.next(), buffer.next(), buffer.next()]
  buffer.push(1)
  buffer.push(2)
  buffer.end()
  assert.deepEqual(
    (await Promise.all([first, second, third])).map(({ value }) => value),
    [1, 2, undefined],
  )
})

test('who leaves the loop is forgotten', async () => {
  const { buffer, returns } = begin(2)
  buffer.push(1)
  for await (const item of { [Symbol.asyncIterator]: () => buffer }) {
    assert.equal(item, 1)
    break
  }
  assert.equal(returns(), 1)
  buffer.push(2)
  assert.deepEqual(await buffer.next(), { done: true, value: undefined })
})
