/** Sources: the files that the tidy rules look at, and their syntax trees. */
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import ts from 'typescript'

const skipped = new Set(['node_modules', 'build', 'dist', '.cache', '.git'])
const binary = new Set(['.png', '.jpg', '.gif', '.ico', '.woff2', '.gz', '.wasm'])

/** A text file of the repository; `path` is relative to its root. */
export function source(path, text) {
  const isCode = /\.(?:ts|mjs|js)$/.test(path)
  return {
    path,
    text,
    isCode,
    isTest: path.includes('/tests/'),
    tree: isCode ? ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) : undefined,
  }
}

export function readSources(root) {
  return textFiles(root, '').map((path) => source(path, readFileSync(join(root, path), 'utf8')))
}

function textFiles(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (skipped.has(entry.name)) return []
    if (entry.isDirectory()) return textFiles(root, path)
    return entry.isFile() && !binary.has(extname(path)) ? [path] : []
  })
}

/** Visits a node and all below it. */
export function visit(node, see) {
  see(node)
  ts.forEachChild(node, (child) => visit(child, see))
}

/** The line of a place in a source, from 1. */
export function lineAt(file, position) {
  return file.tree.getLineAndCharacterOfPosition(position).line + 1
}
