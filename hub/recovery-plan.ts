/** How what was missed is read at the least cost: one by one, or all with one pass. Pure. */

/** What the ways of reading cost the store. The defaults were measured (README, Measured). */
export interface RecoveryCosts {
  readonly screenFixedUs: number
  readonly screenPerChannelUs: number
  readonly readFixedUs: number
  /** For each publication of the namespace between what is wanted and the head: it is walked. */
  readonly readPerMessageUs: number
  /** The same for a pattern: what matches has to be sent besides; one in ten, it is assumed. */
  readonly patternReadPerMessageUs: number
  readonly scanFixedUs: number
  readonly scanPerMessageUs: number
  /** A scan begins at the earliest so many times its own cost after the last one began. */
  readonly scanSpacing: number
  /** But nobody waits longer than this for others. */
  readonly scanWaitMsMax: number
  /** And if nobody has come for so long, nobody is waited for. */
  readonly scanQuietMs: number
  /** Who wants only what is ahead of a scan waits for it, if no longer than this is left of it. */
  readonly scanJoinMsMax: number
}

const costs: RecoveryCosts = {
  screenFixedUs: 90,
  screenPerChannelUs: 15,
  readFixedUs: 100,
  readPerMessageUs: 0.04,
  patternReadPerMessageUs: 2,
  scanFixedUs: 4_000,
  scanPerMessageUs: 5,
  scanSpacing: 4,
  scanWaitMsMax: 1_000,
  scanQuietMs: 100,
  scanJoinMsMax: 250,
}

/** By the storage of the namespace: a store in memory walks slower than one in files. */
export const recoveryCosts: Readonly<Record<'file' | 'memory', RecoveryCosts>> = {
  file: costs,
  memory: { ...costs, readPerMessageUs: 0.2 },
}

/** One channel or pattern of which everything from an offset on is wanted. */
export interface Wanted {
  readonly next: number
  readonly isPattern: boolean
}

/** Where the history begins and ends, as far as is known. */
export interface Extent {
  readonly first: number
  readonly last: number
}

export interface RecoveryPlan<Some extends Wanted> {
  /** The farthest ones. */
  readonly singly: readonly Some[]
  /** By one scan; the first of them wants the lowest offset. */
  readonly scanned: readonly Some[]
  readonly scanUs: number
  /** Of the whole plan. */
  readonly totalUs: number
}

/**
 * The cheapest of all ways to divide them. A scan passes everybody who wants something later than
 * where it begins, so a division is one place in their order: O(n log n).
 */
export function planRecovery<Some extends Wanted>(
  wanted: readonly Some[],
  extent: Extent,
  costs: RecoveryCosts,
): RecoveryPlan<Some> {
  const farthestFirst = [...wanted].sort((a, b) => a.next - b.next)
  let best = { at: 0, scanUs: 0, totalUs: Infinity }
  let singlyUs = 0
  for (const [at, one] of farthestFirst.entries()) {
    const scanUs = scanCostUs(one.next, extent, costs)
    const totalUs = singlyUs + scanUs
    if (totalUs < best.totalUs) best = { at, scanUs, totalUs }
    singlyUs += readCostUs(one, extent, costs)
  }
  if (singlyUs <= best.totalUs) {
    return { singly: farthestFirst, scanned: [], scanUs: 0, totalUs: singlyUs }
  }
  const { at, scanUs, totalUs } = best
  return { singly: farthestFirst.slice(0, at), scanned: farthestFirst.slice(at), scanUs, totalUs }
}

/**
 * Whether to ask first which of so many channels have missed anything at all, rather than to scan
 * from the lowest offset wanted right away.
 */
export function shouldScreen(
  channels: number,
  lowest: number,
  extent: Extent,
  costs: RecoveryCosts,
): boolean {
  const screenUs = costs.screenFixedUs + channels * costs.screenPerChannelUs
  return screenUs < scanCostUs(lowest, extent, costs)
}

export function readCostUs(wanted: Wanted, extent: Extent, costs: RecoveryCosts): number {
  const perMessageUs = wanted.isPattern ? costs.patternReadPerMessageUs : costs.readPerMessageUs
  return costs.readFixedUs + perMessageUs * distance(wanted.next, extent)
}

export function scanCostUs(from: number, extent: Extent, costs: RecoveryCosts): number {
  return costs.scanFixedUs + costs.scanPerMessageUs * distance(from, extent)
}

function distance(from: number, { first, last }: Extent): number {
  return Math.max(0, last - Math.max(from, first) + 1)
}

/** What decides when a scan may begin; times in ms. None runs now. */
export interface ScanCircumstances {
  readonly scanUs: number
  /** -Infinity: there was none. */
  readonly lastBeganAt: number
  readonly lastEndedAt: number
  /** Since when the first of those whom it shall serve has waited. */
  readonly waitingSince: number
  readonly lastArrivedAt: number
}

/**
 * When the scan may begin. As with skis that one may rent or buy: a storm whose clients arrive over
 * seconds is served by few scans, for one that has just been paid for must not be followed by the
 * next before as much again could be saved by waiting. Never later than the wait that is allowed.
 */
export function scanDueAt(circumstances: ScanCircumstances, costs: RecoveryCosts): number {
  const { scanUs, lastBeganAt, lastEndedAt, waitingSince, lastArrivedAt } = circumstances
  const spacedAt = lastBeganAt + (costs.scanSpacing * scanUs) / 1_000
  const quietAt = lastArrivedAt + costs.scanQuietMs
  const patienceEndsAt = Math.max(waitingSince, lastEndedAt) + costs.scanWaitMsMax
  return Math.min(spacedAt, quietAt, patienceEndsAt)
}
