/** Cursors of the model's own making: nobody but the gateway may read them. */
import type { ModelPlace } from './model-reading.js'

export type Places = Readonly<Record<string, ModelPlace>>

export function writeCursor(version: number, places: Places): string {
  return `${version}_${Buffer.from(JSON.stringify(places)).toString('base64url')}`
}

/** Undefined: it is of a version that is not known (any more). */
export function readCursor(version: number, cursor: string): Places | undefined {
  const [written, text] = cursor.split(/_(.*)/)
  if (written !== String(version) || text === undefined) return undefined
  return JSON.parse(Buffer.from(text, 'base64url').toString()) as Places
}
