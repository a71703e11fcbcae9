/** The members of one decoded object; read with `member`, never by inheritance. */
export type Members = Readonly<Record<string, unknown>>

export function isMembers(value: unknown): value is Members {
  if (typeof value !== 'object' || value === null) return false
  return !Array.isArray(value) && !(value instanceof Uint8Array)
}

export function member(members: Members, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] : undefined
}
