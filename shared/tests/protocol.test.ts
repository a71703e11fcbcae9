/** PROTOCOL.md and the code name the same codes and limits. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { closeCode, httpStatus, type FrameCode, type GapReason } from '../codes.js'
import { cursorOf } from '../cursor-positions.js'
import { encodeCursor } from '../cursor.js'
import { limits } from '../limits.js'

const protocol = readFileSync(new URL('../../../PROTOCOL.md', import.meta.url), 'utf8')

/** The cells of the table that follows a clause, a list for each row below the heading. */
function table(clause: string): string[][] {
  const after = protocol.slice(protocol.indexOf(`**${clause}**`))
  const rows = /(?:^\|.*\|\n)+/m.exec(after)?.[0].trimEnd().split('\n').slice(2) ?? []
  assert.ok(rows.length > 0, clause)
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  )
}

test('each code of HTTP has the status that the table gives (PROTOCOL 9.2)', () => {
  const rows = table('9.2').filter(([status]) => status !== '–')
  const listed = rows.map(([status, code]) => [code, Number(status)])
  assert.deepEqual(Object.fromEntries(listed), httpStatus)
})

test('the codes that only frames carry are listed (PROTOCOL 9.2)', () => {
  const rows = table('9.2').filter(([status]) => status === '–')
  const codes: Record<Exclude<FrameCode, keyof typeof httpStatus>, true> = {
    already_subscribed: true,
    not_subscribed: true,
    too_many_subscriptions: true,
  }
  assert.deepEqual(rows.map(([, code]) => code).sort(), Object.keys(codes).sort())
})

test('each close code has the number and the policy that the table gives (PROTOCOL 9.4)', () => {
  const rows = table('9.4')
  assert.deepEqual(
    Object.fromEntries(rows.map(([code, reason]) => [reason, Number(code)])),
    closeCode,
  )
  for (const [code, reason, client] of rows) {
    assert.equal(Number(code) < 4500, client?.startsWith('comes back'), reason)
  }
})

test('the reasons of a gap are listed (PROTOCOL 5.6)', () => {
  const reasons: Record<GapReason, true> = {
    cursor_expired: true,
    other_node: true,
    broker_disconnected: true,
    slow_consumer: true,
    too_large: true,
    new_epoch: true,
    expired: true,
    recovery_limit: true,
  }
  assert.deepEqual(
    table('5.6')
      .map(([reason]) => reason)
      .sort(),
    Object.keys(reasons).sort(),
  )
})

test('the limits have the defaults that the table gives (PROTOCOL 12.1)', () => {
  const rows = table('12.1').map(([name, value]) => [
    name,
    parseInt((value ?? '').replaceAll(',', '')),
  ])
  const listed = new Map(rows as [string, number][])
  for (const [name, value] of Object.entries(limits)) assert.equal(listed.get(name), value, name)
})

test('the cursor of the text is that of the positions beside it (PROTOCOL 13.5, 13.6)', () => {
  const epoch = '5f0c3a9be214'
  const cursor = cursorOf([
    { name: 'orders.42', position: { epoch, offset: 7990, time: 1767225600123, verified: 8000 } },
    { name: 'orders.43', position: { epoch, offset: 8003, verified: 8000 } },
  ])
  assert.ok(protocol.includes(`\n    ${encodeCursor(cursor)}\n    01 `))
})
