/** Writes `client/dist`: the compiled modules that the entry points of @tidegate/client reach. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runMain } from './setup.mjs'
import { root, runNode, SetupError } from './steps.mjs'
import { importsOf } from './tidy/import-rules.mjs'
import { source } from './tidy/sources.mjs'

const help = `node tools/pack-client.mjs

Compiles client/ and writes client/dist: what the entry points of client/package.json reach, side by
side as in build/, so that relative imports stay as they are. npm runs it before it packs or
publishes: npm pack -w client, npm publish -w client.`

function manifest() {
  return JSON.parse(readFileSync(join(root, 'client/package.json'), 'utf8'))
}

/**
 * Writes `dist` of the package into `folder`; returns the paths of the modules, as in `build/`.
 * Of what was there before nothing is left.
 */
function writeDist(folder) {
  const { exports, dependencies = {}, peerDependencies = {} } = manifest()
  const packages = Object.keys({ ...dependencies, ...peerDependencies })
  const modules = reached(entryPoints(exports), packages)
  rmSync(join(folder, 'dist'), { recursive: true, force: true })
  for (const [path, text] of modules) {
    const to = join(folder, 'dist', path)
    mkdirSync(dirname(to), { recursive: true })
    writeFileSync(to, text)
  }
  return [...modules.keys()]
}

/** Lays the package as it would be installed in `folder`; returns where. */
export function installClient(folder) {
  const place = join(folder, 'node_modules/@tidegate/client')
  mkdirSync(place, { recursive: true })
  writeDist(place)
  writeFileSync(join(place, 'package.json'), JSON.stringify(manifest()))
  return place
}

/** The files that `exports` names, under whatever condition, as they are called in `build/`. */
function entryPoints(exports) {
  if (typeof exports !== 'string') return Object.values(exports).flatMap(entryPoints)
  return exports.startsWith('./dist/') ? [exports.slice('./dist/'.length)] : []
}

/** By path, the text of these modules and of all that they import, types included. */
function reached(entries, packages) {
  const modules = new Map()
  const waiting = [...entries]
  while (waiting.length > 0) {
    const path = waiting.pop()
    if (modules.has(path)) continue
    if (!existsSync(join(root, 'build', path))) throw new SetupError(`build/${path} is missing.`)
    const text = readFileSync(join(root, 'build', path), 'utf8')
    modules.set(path, text)
    for (const { specifier } of importsOf(source(path, text))) {
      if (specifier.startsWith('.')) waiting.push(besides(path, specifier))
      else if (!packages.some((name) => isOf(name, specifier))) {
        throw new SetupError(
          `build/${path} imports ${specifier}: the client does not depend on it.`,
        )
      }
    }
  }
  return modules
}

/** A declaration imports `./b.js`, and means the declaration of that. */
function besides(path, specifier) {
  const to = posix.join(posix.dirname(path), specifier)
  return path.endsWith('.d.ts') ? to.replace(/\.js$/, '.d.ts') : to
}

function isOf(name, specifier) {
  return specifier === name || specifier.startsWith(`${name}/`)
}

async function main() {
  const args = process.argv.slice(2)
  if (args.includes('--help')) return console.log(help)
  if (args.length > 0) throw new SetupError(`Unknown option ${args[0]}.\n\n${help}`)
  const code = await runNode(['node_modules/typescript/bin/tsc', '-b', 'client'])
  if (code !== 0) throw new SetupError('The client does not compile: see above.')
  const modules = writeDist(join(root, 'client'))
  // On stderr: what npm pack prints must stay readable for programs.
  console.error(`client/dist: ${modules.length} files`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await runMain(main)
