/** Programs that tests and load runs need beside Node: found, built or installed. */
import { execFileSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { root, run, SetupError, step } from './steps.mjs'

const serversFolder = join(root, '.cache/servers')
const modules = { 'nats-server': 'github.com/nats-io/nats-server/v2', k6: 'go.k6.io/k6/v2' }

/** Works without JetStream already, but the durable channels to come need 2.11. */
const natsVersionMin = [2, 11]

/** Where systems put programs that a bare PATH may lack. */
const usualFolders = [
  '/usr/local/bin',
  '/usr/bin',
  '/usr/sbin',
  '/opt/homebrew/bin',
  '/snap/bin',
  '/usr/local/go/bin',
]
const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const chromiumOnMac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'

/** The first of these programs on the PATH or in a usual folder; undefined if there is none. */
export function findProgram(...names) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...usualFolders]
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  return paths.find(isExecutable)
}

export function findChromium() {
  const named = process.env.CHROMIUM
  if (named) return isExecutable(named) ? named : undefined
  return findProgram(...chromiumNames) ?? (isExecutable(chromiumOnMac) ? chromiumOnMac : undefined)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The first version number in what `program --version` prints, as [major, minor, patch]. */
export function versionOf(program, flag = '--version') {
  try {
    const text = execFileSync(program, [flag], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return parseVersion(text)
  } catch {
    return undefined
  }
}

export function parseVersion(text) {
  const match = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text)
  return match ? match.slice(1).map((part) => Number(part ?? 0)) : undefined
}

export function isAtLeast(version, wanted) {
  for (const [at, part] of wanted.entries()) {
    if ((version?.[at] ?? 0) !== part) return (version?.[at] ?? 0) > part
  }
  return version !== undefined
}

/**
 * Leaves a usable nats-server at `.cache/servers/nats-server`, where the tests look for it:
 * a link to the one on the PATH, or one built from the pinned module.
 */
export async function ensureNatsServer() {
  const place = join(serversFolder, 'nats-server')
  if (isAtLeast(versionOf(place), natsVersionMin)) return
  const found = findProgram('nats-server')
  if (found && isAtLeast(versionOf(found), natsVersionMin)) {
    mkdirSync(serversFolder, { recursive: true })
    rmSync(place, { force: true })
    symlinkSync(found, place)
    return
  }
  await build('nats-server')
}

/** Leaves the pinned k6 at `.cache/servers/k6`. */
export async function ensureK6() {
  const pinned = parseVersion(pinnedVersion('k6'))
  const built = versionOf(join(serversFolder, 'k6'))
  if (isAtLeast(built, pinned)) return
  await build('k6')
}

function pinnedVersion(name) {
  const goMod = readFileSync(join(root, 'tools/servers/go.mod'), 'utf8')
  const line = goMod.split('\n').find((text) => text.trim().startsWith(`${modules[name]} v`))
  return line.trim().split(' ')[1]
}

async function build(name) {
  const go = findProgram('go')
  if (!go) {
    throw new SetupError(
      `${name} is missing. Put nats-server ${natsVersionMin.join('.')} or newer on the PATH, or ` +
        'install Go 1.26 or newer: then it is built from tools/servers/go.mod.',
    )
  }
  const title = `build ${name} ${pinnedVersion(name)} with Go, a minute or two the first time`
  await step(title, async () => {
    mkdirSync(serversFolder, { recursive: true })
    rmSync(join(serversFolder, name), { force: true })
    const cwd = join(root, 'tools/servers')
    const code = await run(go, ['build', '-o', `${serversFolder}/`, modules[name]], { cwd })
    if (code !== 0) throw new SetupError(`${name} could not be built: see Go's words above.`)
  })
}

/**
 * Installs a Debian package for a missing program where that can be done without asking: as root
 * on a Debian-like system. Elsewhere it says what to do; the tests that need it then fail.
 */
export async function ensurePackage(packageName, find) {
  if (find()) return
  const isRoot = process.getuid?.() === 0
  if (!isRoot || !existsSync('/etc/debian_version') || !findProgram('apt-get')) {
    console.warn(`  ${packageName} is missing: install it, or the tests that need it will fail.`)
    return
  }
  await step(`install ${packageName} with apt-get, as it is missing and we are root`, async () => {
    const env = { DEBIAN_FRONTEND: 'noninteractive' }
    await run('apt-get', ['update', '-qq'], { env, quiet: true })
    const args = ['install', '-y', '-qq', '--no-install-recommends', packageName]
    await run('apt-get', args, { env, quiet: true })
    if (!find())
      console.warn(`  ${packageName} is still missing: the tests that need it will fail.`)
  })
}
