/** Rules about documents: READMEs, links that lead somewhere, code as tested, clauses tested. */
import { posix } from 'node:path'
import ts from 'typescript'
import { visit } from './sources.mjs'

const folders = [
  'client',
  'cli',
  'deploy',
  'examples',
  'gateway',
  'hub',
  'loadtest',
  'shared',
  'tools',
]

export function readmes(files) {
  const paths = new Set(files.map((file) => file.path))
  return ['README.md', ...folders.map((folder) => `${folder}/README.md`)]
    .filter((path) => !paths.has(path))
    .map((path) => `${path} is missing`)
}

/** Relative links of Markdown lead to a file or folder of the repository. */
export function links(files) {
  const paths = new Set(files.map((file) => file.path))
  const isThere = (path) =>
    paths.has(path) || [...paths].some((other) => other.startsWith(`${path}/`))
  return files
    .filter((file) => file.path.endsWith('.md'))
    .flatMap((file) =>
      [...file.text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)]
        .map(([, link]) => posix.join(posix.dirname(file.path), link).replace(/\/$/, ''))
        .filter((path) => !isThere(path))
        .map((path) => `${file.path} links to ${path}, which does not exist`),
    )
}

/** A code block below `<!-- file: a/b.ts -->` is that file's text. */
export function snippets(files) {
  const texts = new Map(files.map((file) => [file.path, file.text]))
  const named = /<!-- file: (\S+) -->(?:\s*```\w+\n([^]*?)^```$)?/gm
  return files
    .filter((file) => file.path.endsWith('.md'))
    .flatMap((file) =>
      [...file.text.matchAll(named)]
        .filter(([, path, code]) => code === undefined || texts.get(path) !== code)
        .map(([, path]) => `${file.path} does not show ${path} as it is`),
    )
}

/** Every clause of PROTOCOL.md (a paragraph that begins with **4.2**) is cited by a test's name. */
export function clausesTested(files) {
  const protocol = files.find((file) => file.path === 'PROTOCOL.md')
  if (!protocol) return ['PROTOCOL.md is missing']
  const clauses = [...protocol.text.matchAll(/^\*\*(\d+\.\d+)\*\*/gm)].map(([, clause]) => clause)
  const cited = new Map()
  for (const file of files) {
    if (!file.isTest || !file.isCode) continue
    for (const clause of clausesCited(file)) cited.set(clause, file.path)
  }
  const twice = clauses.filter((clause, at) => clauses.indexOf(clause) !== at)
  const untested = clauses.filter((clause) => !cited.has(clause))
  const unknown = [...cited].filter(([clause]) => !clauses.includes(clause))
  return [
    ...(clauses.length === 0 ? ['PROTOCOL.md has no numbered clause'] : []),
    ...twice.map((clause) => `PROTOCOL ${clause} exists twice`),
    ...untested.map((clause) => `PROTOCOL ${clause} is cited by no test name`),
    ...unknown.map(([clause, path]) => `${path} cites PROTOCOL ${clause}, which does not exist`),
  ]
}

/** Clauses in a test's strings, as in `PROTOCOL 4.2, 4.3`; names made from tables count too. */
function clausesCited(file) {
  const cited = []
  visit(file.tree, (node) => {
    if (!ts.isStringLiteralLike(node) && !ts.isTemplateExpression(node)) return
    for (const [, list] of node
      .getText(file.tree)
      .matchAll(/PROTOCOL (\d+\.\d+(?:, \d+\.\d+)*)/g)) {
      cited.push(...list.split(',').map((clause) => clause.trim()))
    }
  })
  return cited
}
