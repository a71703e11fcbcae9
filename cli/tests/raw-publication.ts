/** Publications read from JSON text without parsing the payload: its bytes are compared. */
import assert from 'node:assert/strict'

/** What a client was told of one publication, whatever the transport. */
export interface HeardPublication {
  readonly channel: string
  readonly pattern: string | undefined
  readonly time: number
  readonly sender: string | undefined
  /** As it came: the slice of `data`, or what `base64` stands for. */
  readonly payload: Buffer
  readonly isJson: boolean
  readonly contentType: string | undefined
  /** The names of its members in their order. */
  readonly members: string
}

interface Members {
  readonly channel: string
  readonly pattern?: string
  readonly time: number
  readonly sender?: string
  readonly base64?: string
  readonly contentType?: string
}

const dataKey = ',"data":'

export function heardOf(members: Members, payload: Buffer, isJson: boolean): HeardPublication {
  const { channel, pattern, time, sender, contentType } = members
  const names = Object.keys(members).join(',')
  return { channel, pattern, time, sender, payload, isJson, contentType, members: names }
}

/** `data` is the last member (PROTOCOL 5.2), and its key cannot occur in a string before it. */
export function readPublication(text: string): HeardPublication {
  const members = JSON.parse(text) as Members
  const at = text.indexOf(dataKey)
  if (members.base64 !== undefined) {
    return heardOf(members, Buffer.from(members.base64, 'base64'), false)
  }
  assert.notEqual(at, -1, text)
  return heardOf(members, Buffer.from(text.slice(at + dataKey.length, -1)), true)
}

/** The texts in the array `publications` of a poll's answer. */
export function publicationTexts(answer: string): string[] {
  const key = '"publications":['
  const texts: string[] = []
  let at = answer.indexOf(key) + key.length
  while (answer[at] !== ']') {
    const end = objectEnd(answer, at)
    texts.push(answer.slice(at, end))
    at = answer[end] === ',' ? end + 1 : end
  }
  return texts
}

/** Where the object that begins at `start` ends. */
function objectEnd(text: string, start: number): number {
  let depth = 0
  let inString = false
  for (let at = start; at < text.length; at += 1) {
    const letter = text[at]
    if (inString) {
      if (letter === '\\') at += 1
      else if (letter === '"') inString = false
    } else if (letter === '"') inString = true
    else if (letter === '{' || letter === '[') depth += 1
    else if (letter === '}' || letter === ']') {
      depth -= 1
      if (depth === 0) return at + 1
    }
  }
  return assert.fail(`no end of the object: ${text.slice(start, start + 200)}`)
}
