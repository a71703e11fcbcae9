/** A publication as a line for people. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publicationLine } from '../publication-line.js'

test('the payload is shown as it was sent, large integers and key order included', () => {
  const json =
    '{"channel":"a.b","time":0,"sender":"u \\",\\"data\\":1","data":{"2":90071992547409931,"1":0}}'
  assert.equal(
    publicationLine(json),
    '1970-01-01T00:00:00.000Z a.b <u ","data":1> {"2":90071992547409931,"1":0}',
  )
})

test('what is no JSON is shown as text, or as base64 with its type', () => {
  const line = (rest: string): string =>
    publicationLine(`{"channel":"a","time":0,${rest}}`).replace(/^\S+ a /, '')
  assert.equal(line('"base64":"aGk=","contentType":"text/plain"'), 'hi')
  assert.equal(line('"base64":"/w==","contentType":"image/png"'), 'image/png /w==')
})

test('control characters do not reach the terminal', () => {
  const base64 = Buffer.from('a\u001b[2Jb\nc').toString('base64')
  const json = `{"channel":"a","time":0,"base64":"${base64}","contentType":"text/plain"}`
  assert.match(publicationLine(json), /a \[2Jb c$/)
})
