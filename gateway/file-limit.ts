/** How many files this process may have open: what bounds the connections it can take. */
import { readFileSync } from 'node:fs'

/** Where the limit cannot be read: what most systems allow at the least. */
export const openFilesMaxGuess = 1_024

/** For the listeners, NATS, log and key files, and those who are refused with an answer. */
const openFilesReserve = 1_000

export interface FileLimit {
  readonly openFilesMax: number
  /** False: it could not be read, and is a guess. */
  readonly isKnown: boolean
}

export function readFileLimit(path = '/proc/self/limits'): FileLimit {
  try {
    return parseFileLimit(readFileSync(path, 'utf8'))
  } catch {
    return { openFilesMax: openFilesMaxGuess, isKnown: false }
  }
}

export function parseFileLimit(limits: string): FileLimit {
  const soft = /^Max open files\s+(\d+|unlimited)\s/m.exec(limits)?.[1]
  if (soft === undefined) return { openFilesMax: openFilesMaxGuess, isKnown: false }
  if (soft === 'unlimited') return { openFilesMax: 10_000_000, isKnown: true }
  return { openFilesMax: Number(soft), isKnown: true }
}

/** The engine spins when `accept` finds no free file: stay well below, but at half at the least. */
export function connectionsCap(openFilesMax: number): number {
  return Math.max(1, openFilesMax - openFilesReserve, Math.floor(openFilesMax / 2))
}
