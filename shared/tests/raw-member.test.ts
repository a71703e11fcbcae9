/** The bytes of a member are found whatever surrounds them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rawMember } from '../raw-member.js'
import { text, utf8 } from './bytes.js'

function raw(json: string): string | undefined {
  const found = rawMember(utf8(json), 'data')
  return found === undefined ? undefined : text(found)
}

test('a payload is the text between the white space around it (PROTOCOL 4.12)', () => {
  assert.equal(raw('{"data": [1, 2 ,3]\n}'), '[1, 2 ,3]')
  assert.equal(
    raw('\t{ "a" : 1 , "data" :\r\n 12345678901234567890 , "b":2}'),
    '12345678901234567890',
  )
  assert.equal(raw('{"data":-1.50E+02}'), '-1.50E+02')
  assert.equal(raw('{"data":"a\\"}b\\\\"}'), '"a\\"}b\\\\"')
  assert.equal(raw('{"data":null}'), 'null')
  assert.equal(raw('{"data":{"data":{"x":"]"}}}'), '{"data":{"x":"]"}}')
})

test('only the top level is looked at (PROTOCOL 4.12)', () => {
  assert.equal(raw('{"a":{"data":1},"b":["data",2],"c":"data"}'), undefined)
  assert.equal(raw('{}'), undefined)
})

test('the last of several members counts, escapes in its key or not (PROTOCOL 4.12)', () => {
  assert.equal(raw('{"data":1,"d\\u0061ta":2}'), '2')
  assert.equal(raw('{"d\\u0061ta":2,"data":1}'), '1')
  assert.equal(raw('{"\\u0064ata":{"n":1},"Data":3,"data ":4}'), '{"n":1}')
})

const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 })
const quoted = fc.string({ unit: 'binary' }).map((value) => JSON.stringify(value))
const number = fc.constantFrom('0', '-0', '12345678901234567890', '1e400', '0.10', '-2E-7')
const literal = fc.constantFrom('true', 'false', 'null', '{}', '[ ]', '""', '"data"', '"\\""')

const { value } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, literal, number, quoted, tie('list'), tie('object')),
  list: fc
    .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
    .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
  object: fc
    .array(fc.tuple(space, quoted, space, space, tie('value'), space), { maxLength: 4 })
    .map((items) => {
      const members = items.map(([a, key, b, c, inner, d]) => `${a}${key}${b}:${c}${inner}${d}`)
      return `{${members.join(',')}}`
    }),
}))

const key = fc.oneof(
  fc.constantFrom('"data"', '"d\\u0061ta"', '"\\u0064\\u0061\\u0074\\u0061"', '"data\\u0000"'),
  quoted,
)

test('the slice is exactly what was written, for any JSON around it (PROTOCOL 4.12)', () => {
  const members = fc.array(fc.tuple(space, key, space, space, value, space), { maxLength: 6 })
  fc.assert(
    fc.property(space, members, space, (before, list, after) => {
      const inner = list.map(([a, name, b, c, raw, d]) => `${a}${name}${b}:${c}${raw}${d}`)
      const json = `${before}{${inner.join(',')}}${after}`
      JSON.parse(json) // the generator writes valid JSON
      const last = list.findLast(([, name]) => JSON.parse(name) === 'data')
      assert.equal(raw(json), last?.[4])
    }),
    { numRuns: 1000 },
  )
})
