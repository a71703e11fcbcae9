/** Where things are: the compiled files run from `build/loadtest` under the repository's root. */
import { fileURLToPath } from 'node:url'

export function rootPath(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}

/** A compiled file of this folder. */
export function scriptPath(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
