/** Where an exception goes that no caller can do anything about: a bug, told to whoever logs. */

export type OnInternalError = (error: unknown) => void

export const passOn: OnInternalError = (error) => {
  throw error
}
