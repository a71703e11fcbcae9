/** Rules about the text of one file: its size, its first line, its name, words that are banned. */
import ts from 'typescript'
import { lineAt, visit } from './sources.mjs'

const columnsMax = 100
const linesMax = 400
const functionLinesMax = 70

/** Folders where real time and the environment may be used directly: they run no gateway. */
const loose = /\/tests\/|^(?:tools|loadtest|examples)\/|\.config\.js$/
const clocks = ['gateway/system-clock.ts', 'client/system-clock.ts']
const environment = ['gateway/config.ts', 'gateway/engine.ts']

/** `except`: whether a path may use the word. */
const banned = [
  { word: /\bDate\.now\(/, use: 'an injected Clock', except: timeIsFree },
  { word: /\bset(?:Timeout|Interval)\(/, use: 'an injected Clock', except: timeIsFree },
  { word: /\bMath\.random\(/, use: 'an injected `random`', except: (path) => loose.test(path) },
  { word: /\bprocess\.env\b/, use: 'the Config of gateway/config.ts', except: environmentIsFree },
  {
    word: /\bconsole\./,
    use: 'the log',
    except: (path) => loose.test(path) || /^cli\//.test(path),
  },
  { word: /\bas any\b/, use: '`unknown`, parsed once' },
  { word: /@ts-(?:ignore|nocheck|expect-error)/, use: 'types that hold' },
  { word: /\b(?:test|it|describe|suite)\.only\(/, use: 'npm test -- <file>' },
  { word: /\b(?:FIXME|TODO|XXX)\b/, use: 'an issue' },
  { word: /\bclass \w+(?:Manager|Service|Impl)\b/, use: 'a noun of the field' },
]

function timeIsFree(path) {
  return clocks.includes(path) || loose.test(path)
}

function environmentIsFree(path) {
  return environment.includes(path) || loose.test(path)
}

export function bannedWords(file) {
  if (!file.isCode) return []
  return file.text
    .split('\n')
    .flatMap((line, at) =>
      banned
        .filter(({ word, except }) => word.test(line) && !except?.(file.path))
        .map(({ word, use }) => `${file.path}:${at + 1} ${word.exec(line)[0]}: use ${use}`),
    )
}

export function size(file) {
  if (!file.isCode) return []
  const lines = file.text.trimEnd().split('\n')
  const long = lines.flatMap((line, at) =>
    [...line].length > columnsMax ? [`${file.path}:${at + 1} is over ${columnsMax} columns`] : [],
  )
  if (lines.length > linesMax) long.push(`${file.path} is over ${linesMax} lines`)
  return long
}

export function functionSize(file) {
  if (!file.isCode) return []
  const faults = []
  visit(file.tree, (node) => {
    if (!ts.isFunctionLike(node) || !node.body) return
    const first = lineAt(file, node.getStart(file.tree))
    const lines = lineAt(file, node.end) - first + 1
    if (lines <= functionLinesMax) return
    faults.push(`${file.path}:${first} is a function of ${lines} lines, over ${functionLinesMax}`)
  })
  return faults
}

/** The first line begins a comment whose first sentence says the file's idea. */
export function firstLine(file) {
  if (!file.isCode) return []
  const text = file.text.replace(/^#!.*\n/, '')
  if (/^\/\*\* [^\s*](?:(?!\*\/)[^])*[.?!:](?: |\n|$)/.test(text)) return []
  return [`${file.path} does not begin with a sentence: /** … */`]
}

export function fileName(file) {
  if (!file.isCode) return []
  const name = file.path.split('/').at(-1)
  // The published package needs a door; no other folder has one.
  if (file.path === 'client/index.ts') return []
  if (/^(?:utils?|helpers?|common|types|index|misc)\./.test(name)) {
    return [`${file.path}: a file is named by its idea, and there are no barrels`]
  }
  return /^[a-z0-9]+(?:[-.][a-z0-9]+)*$/.test(name) ? [] : [`${file.path} is not in kebab-case`]
}

/** Hosts and folders of one machine have no place in a repository. */
export function machineNames(file) {
  const host =
    /\b(?:registry|proxy|sum|deb|ftp|repo\d*|files|static)\.[a-z0-9-]+\.(?:org|com|io|dev)\b/
  const folder = /(?:^|[\s'"`=(:])\/(?:work|root|home|farm|tmp|Users)(?:\/|\b)/
  return file.text.split('\n').flatMap((line, at) => {
    const found = host.exec(line) ?? folder.exec(line)
    return found ? [`${file.path}:${at + 1} names a place of one machine: ${found[0].trim()}`] : []
  })
}
