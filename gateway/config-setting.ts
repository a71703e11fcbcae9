/** What one setting is, and the kinds there are: the vocabulary of the configuration schema. */
import { accessSync, constants, statSync } from 'node:fs'
import { z } from 'zod'

export interface Setting<T> {
  /** The environment variable, and the key in the JSON file. */
  readonly env: string
  readonly fallback: T
  /** What a value may be, in words: for a fault, and for the README. */
  readonly allowed: string
  readonly help: string
  /** Takes a string (from the environment) or JSON (from the file). */
  readonly schema: z.ZodType<T>
  readonly isSecret: boolean
}

/** One thing that is wrong with the configuration. */
export interface ConfigFault {
  /** The variable, with the path inside its JSON if it has one. */
  readonly name: string
  /** Name, value (masked if it is a secret) and what is allowed. */
  readonly message: string
}

export function integer(
  env: string,
  fallback: number,
  min: number,
  max: number,
  help: string,
): Setting<number> {
  const digits = z
    .string()
    .regex(/^-?\d{1,15}$/)
    .transform(Number)
  const schema = z.union([z.number(), digits]).pipe(z.int().min(min).max(max))
  const allowed = `a whole number from ${min} to ${max}`
  return { env, fallback, allowed, help, schema, isSecret: false }
}

export function flag(env: string, fallback: boolean, help: string): Setting<boolean> {
  const words = z.enum(['true', 'false']).transform((word) => word === 'true')
  const schema = z.union([z.boolean(), words])
  return { env, fallback, allowed: '`true` or `false`', help, schema, isSecret: false }
}

export function choice<T extends string>(
  env: string,
  fallback: T,
  choices: readonly T[],
  help: string,
): Setting<T> {
  const allowed = `one of ${choices.map((word) => `\`${word}\``).join(', ')}`
  return { env, fallback, allowed, help, schema: z.enum(choices), isSecret: false }
}

/** A text of one grammar, in words and as a predicate. */
export interface Grammar {
  readonly allowed: string
  readonly matches: (text: string) => boolean
}

export function text(
  env: string,
  fallback: string,
  grammar: Grammar,
  help: string,
): Setting<string> {
  const schema = z.string().refine(grammar.matches)
  return { env, fallback, allowed: grammar.allowed, help, schema, isSecret: false }
}

/** A text that is unset unless it is given. */
export function optional(env: string, grammar: Grammar, help: string): Setting<string | undefined> {
  const schema = z.string().refine(grammar.matches)
  return { env, fallback: undefined, allowed: grammar.allowed, help, schema, isSecret: false }
}

/** Several texts: an array in the file, one string with separators in the environment. */
export function list(
  env: string,
  separator: RegExp,
  grammar: Grammar,
  help: string,
): Setting<readonly string[]> {
  const parts = z.string().transform((all) => all.split(separator).filter((part) => part !== ''))
  const schema = z
    .union([z.array(z.string()), parts])
    .refine((given) => given.length > 0 && given.every(grammar.matches))
  return { env, fallback: [], allowed: grammar.allowed, help, schema, isSecret: false }
}

export function secret<T>(setting: Setting<T>): Setting<T> {
  return { ...setting, isSecret: true }
}

export const anyText: Grammar = {
  allowed: 'a text that is not empty',
  matches: (given) => given !== '',
}

export const readableFile: Grammar = {
  allowed: 'the path of a file that exists and can be read',
  matches(path) {
    try {
      accessSync(path, constants.R_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  },
}
