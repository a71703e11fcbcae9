/** Set-up: everything that a fresh clone lacks, each step skipped when it is up to date. */
import { existsSync, lstatSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  ensureK6,
  ensureNatsServer,
  ensurePackage,
  findChromium,
  findProgram,
} from './programs.mjs'
import { root, run, runNode, SetupError, step } from './steps.mjs'

const nodeMajorMin = 20

/** Packages and compiled sources: what `npm start` needs. */
export async function setUp() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < nodeMajorMin) {
    throw new SetupError(`Node ${nodeMajorMin} or newer is needed; this is ${process.version}.`)
  }
  await installPackages()
  await compile()
}

/** Servers and browsers, too: what `npm test` needs. */
export async function setUpForTests() {
  await setUp()
  await ensureNatsServer()
  await ensurePackage('curl', () => findProgram('curl'))
  await ensurePackage('chromium', findChromium)
}

async function installPackages() {
  const reason = staleReason(readLock('package-lock.json'), readLock(installedLock))
  if (!reason) return
  const folder = join(root, 'node_modules')
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new SetupError(`node_modules is a link, and ${reason}: run npm ci where it points to.`)
  }
  await step(`npm ci, because ${reason}`, async () => {
    const flags = ['--include=dev', '--include=optional', '--no-audit', '--no-fund']
    const code = await run('npm', ['ci', ...flags, '--loglevel=error'])
    if (code !== 0) throw new SetupError('npm ci failed: see its words above.')
  })
}

/** npm's own record of what it installed; npm writes it last, so it stands for a whole install. */
const installedLock = 'node_modules/.package-lock.json'

function readLock(name) {
  const path = join(root, name)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

/** Why the installed packages are not those of the lock; undefined if they are. */
export function staleReason(lock, installed) {
  if (!installed) return 'node_modules is missing or incomplete'
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (path === '') continue
    const found = installed.packages[path]
    // npm leaves out what cannot run on this system.
    if (!found && wanted.optional) continue
    if (found?.version !== wanted.version || found?.integrity !== wanted.integrity) {
      return `${path} is not as package-lock.json has it`
    }
  }
  const extra = Object.keys(installed.packages).find((path) => !lock.packages[path])
  return extra && `${extra} is not in package-lock.json`
}

async function compile() {
  await step('compile (tsc -b)', async () => {
    const code = await runNode(['node_modules/typescript/bin/tsc', '-b'])
    if (code !== 0) throw new SetupError('The TypeScript sources do not compile: see above.')
    removeOrphans(join(root, 'build'))
  })
}

/** Removes what was compiled from sources that are gone: old tests would go on running. */
function removeOrphans(build) {
  const orphans = readdirSync(build, { recursive: true }).filter((name) => {
    const compiled = /^(.*)(?:\.js|\.d\.ts)$/.exec(name)
    return compiled && !existsSync(join(root, `${compiled[1]}.ts`))
  })
  for (const name of orphans) rmSync(join(build, name))
  if (orphans.length > 0)
    console.log(`  removed what was compiled from ${orphans.length} old files`)
}

/** Runs `main`; a fault that the user can mend becomes a sentence and exit code 1. */
export async function runMain(main) {
  try {
    await main()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(`\n${error.message}`)
    process.exitCode = 1
  }
}

const help = `node tools/setup.mjs [--tests] [--k6]

Installs the packages and compiles. Each step is skipped when it is up to date.
  --tests   also nats-server, curl and Chromium, which the tests need
  --k6      also nats-server and k6, which load runs need`

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => {
    const wants = new Set(process.argv.slice(2))
    if (wants.has('--help')) return console.log(help)
    await (wants.has('--tests') ? setUpForTests() : setUp())
    if (wants.has('--k6')) {
      await ensureNatsServer()
      await ensureK6()
    }
  })
}
