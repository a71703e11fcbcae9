/** Rules about what imports what: arrows between folders, owners of libraries, no cycles. */
import { posix } from 'node:path'
import ts from 'typescript'
import { visit } from './sources.mjs'

/** Folder → the folders it may import. The tools use what was compiled. */
const arrows = {
  shared: [],
  hub: ['shared'],
  gateway: ['hub', 'shared'],
  client: ['shared'],
  cli: ['gateway', 'hub', 'client', 'shared'],
  loadtest: ['client', 'shared'],
  examples: ['client'],
  tools: ['build'],
}

/** What the tests of a folder may import beside: whole nodes are audited. */
const testArrows = { cli: ['loadtest'] }

/** Who loads the engine, listens with it, or holds one of its sockets, requests or responses. */
const engineFiles = [
  'engine',
  'gateway',
  'routes',
  'websocket-transport',
  'websocket-connection',
  'socket-owner',
  'send-together',
  'held-request',
  'held-poll',
  'event-stream-transport',
  'event-stream',
  'event-stream-head',
  'event-stream-refusal',
  'short-stream-transport',
  'short-stream',
  'event-stream-writer',
  'long-poll-transport',
  'pending-poll',
  'publish-endpoint',
  'history-endpoint',
  'request',
  'request-body',
  'events-body',
  'origins',
  'problem',
  'fault',
  'assets',
]

/** Library → the files that may import it. */
const owners = [
  {
    library: /^(?:uWebSockets\.js|uws-legacy)/,
    name: 'uWebSockets.js',
    may: new RegExp(
      `^gateway/(?:${engineFiles.join('|')})\\.ts$|^gateway/tests/|^loadtest/bare-[\\w-]*\\.ts$`,
    ),
  },
  {
    library: /^@nats-io\//,
    name: 'NATS',
    may: /^hub\/(?:nats|jetstream)-[\w-]*\.ts$|^(?:examples|loadtest)\/|\/tests\//,
  },
]

/** What a file imports: the specifier, and whether only types come by it. */
export function importsOf(file) {
  const found = []
  visit(file.tree, (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      if (!node.moduleSpecifier) return
      found.push({ specifier: node.moduleSpecifier.text, isTypeOnly: isTypeOnly(node) })
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      found.push({ specifier: node.argument.literal.text, isTypeOnly: true })
    } else if (isDynamicImport(node)) {
      found.push({ specifier: node.arguments[0].text, isTypeOnly: false })
    }
  })
  return found
}

function isTypeOnly(node) {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly
  const clause = node.importClause
  if (!clause) return false
  if (clause.isTypeOnly) return true
  const named = clause.namedBindings
  if (clause.name || !named || !ts.isNamedImports(named)) return false
  return named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly)
}

function isDynamicImport(node) {
  if (!ts.isCallExpression(node) || !node.arguments[0]) return false
  if (!ts.isStringLiteralLike(node.arguments[0])) return false
  return node.expression.kind === ts.SyntaxKind.ImportKeyword || node.expression.text === 'require'
}

/** The repository path of a relative import, as its source; undefined for a package. */
function target(file, specifier) {
  if (!specifier.startsWith('.')) return undefined
  const path = posix.join(posix.dirname(file.path), specifier)
  return file.path.endsWith('.ts') ? path.replace(/\.js$/, '.ts') : path
}

export function arrowsHold(file) {
  if (!file.isCode || !file.path.includes('/')) return []
  const folder = file.path.split('/')[0]
  const allowed = [...(arrows[folder] ?? []), ...((file.isTest && testArrows[folder]) || [])]
  const faults = []
  for (const { specifier } of importsOf(file)) {
    const to = target(file, specifier)?.split('/')[0]
    if (to !== undefined && to !== folder && !allowed.includes(to)) {
      faults.push(
        `${file.path} imports ${to}: ${folder} may import ${allowed.join(', ') || 'none'}`,
      )
    }
    const isBrowserCode = (folder === 'shared' || folder === 'client') && !file.isTest
    if (isBrowserCode && specifier.startsWith('node:')) {
      faults.push(`${file.path} imports ${specifier}: ${folder} also runs in a browser`)
    }
  }
  return faults
}

export function ownersHold(file) {
  if (!file.isCode) return []
  return importsOf(file).flatMap(({ specifier }) =>
    owners
      .filter(({ library, may }) => library.test(specifier) && !may.test(file.path))
      .map(({ name }) => `${file.path} imports ${name}, which it may not name`),
  )
}

/** No file reaches itself by what it imports at run time. Names one cycle for each file on one. */
export function noCycles(files) {
  const code = new Map(files.filter((file) => file.isCode).map((file) => [file.path, file]))
  const edges = (path) =>
    importsOf(code.get(path))
      .filter(({ isTypeOnly: typeOnly }) => !typeOnly)
      .map(({ specifier }) => target(code.get(path), specifier))
      .filter((to) => code.has(to))
  const done = new Set()
  const faults = []
  const walk = (path, trail) => {
    const at = trail.indexOf(path)
    if (at !== -1) return faults.push(`a cycle: ${[...trail.slice(at), path].join(' → ')}`)
    if (done.has(path)) return
    for (const to of edges(path)) walk(to, [...trail, path])
    done.add(path)
  }
  for (const path of code.keys()) walk(path, [])
  return faults
}
