/** Reads a history as tests want it: whole, and as lines that can be compared. */
import assert from 'node:assert/strict'
import { isChannel, type Channel } from '../../shared/channel.js'
import type { History, ReadPage, StoredPublication } from '../history.js'
import type { OpenedHistory } from './opened-history.js'

const decoder = new TextDecoder()
export const mib = 1_048_576

export function channel(name: string): Channel {
  if (!isChannel(name)) throw new Error(`${name} is no channel`)
  return name
}

export function textOf({ payload }: StoredPublication): string {
  return decoder.decode(payload)
}

/** `offset text` of each. */
export function linesOf(publications: Iterable<StoredPublication>): readonly string[] {
  return [...publications].map((publication) => `${publication.offset} ${textOf(publication)}`)
}

/** All of them from `from`, page by page. */
export async function readAll(history: History, name: string, from = 1): Promise<ReadPage> {
  const publications: StoredPublication[] = []
  const namespace = name.includes('.') ? (name.split('.')[0] as string) : 'default'
  for (let next = from; ;) {
    const page = await history.read(namespace, name as Channel, next, 1_000, mib)
    assert.ok(page)
    publications.push(...page.publications)
    if (page.isWhole) return { ...page, publications }
    next = page.asOf + 1
  }
}

export async function scanned(
  history: History,
  namespace: string,
  from = 1,
): Promise<{ readonly publications: readonly StoredPublication[]; readonly asOf: number }> {
  const publications: StoredPublication[] = []
  const end = await history.scan(namespace, from, (one) => publications.push(one)).ended
  assert.ok(end)
  return { publications, asOf: end.asOf }
}

export async function storeMany(opened: OpenedHistory, name: string, count: number): Promise<void> {
  for (let number = 1; number <= count; number += 1) await opened.store(name, `${number}`)
}
