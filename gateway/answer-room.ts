/** How much one answer to a poll holds: what is more comes with the next one. */
import type { Node } from './node.js'

export const answerBytesMax = 1_048_576
/** A publication in JSON: base64 makes a third more of it, and an envelope stands around it. */
const jsonPart = 4 / 3
const envelopeBytesMax = 8_192

/** Whether a history goes on behind so many bytes: full before it is too much, but never empty. */
export function hasRoom({ settings }: Node, bytes: number): boolean {
  if (bytes === 0) return true
  const next = settings.publicationBytesMax * jsonPart + envelopeBytesMax
  return bytes + next <= answerBytesMax
}
