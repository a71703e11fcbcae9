/** What a call of the SDK fails with. */

export class TidegateError extends Error {
  /** Stable, of `shared/codes.ts` or of the client's own: what to decide by. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'TidegateError'
    this.code = code
  }
}
