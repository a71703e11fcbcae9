/** What people read of a gap. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GapReason } from '../../shared/codes.js'
import { gapSentence } from '../gap-sentence.js'

test('a gap is told with the bounds that are known, and why', () => {
  assert.equal(
    gapSentence({ channel: 'a', reason: 'expired', after: 12, before: 40 }),
    'whatever lay in a between offsets 12 and 40 is lost: the history no longer has it',
  )
  assert.equal(
    gapSentence({ channel: 'a', reason: 'new_epoch', after: 41, epoch: 'a41b09c2d7e8', offset: 3 }),
    'a after offset 41 goes on after offset 3 of another history, a41b09c2d7e8: ' +
      'the history was made anew or set back',
  )
  assert.equal(
    gapSentence({ channel: 'a', reason: 'broker_disconnected' }),
    'something of a may be missing: the node had lost NATS',
  )
  assert.equal(
    gapSentence({ channel: 'a', reason: 'not_subscribed' }),
    'something of a may be missing: nothing keeps it for who is not connected',
  )
})

test('a reason that is not known is told as it is', () => {
  const gap = { channel: 'a', reason: 'toString' as GapReason, after: 3 }
  assert.equal(gapSentence(gap), 'what came in a after offset 3 may be missing: toString')
})
