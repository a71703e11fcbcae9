/** `npm test`: set-up, every check, every test; `npm test -- hub` only the tests of that name. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findChromium } from './programs.mjs'
import { runMain, setUpForTests } from './setup.mjs'
import { endAll, root, runNode, SetupError, step } from './steps.mjs'

/** Well under the hour that a run may take, so that a hanging test is named and not the run. */
const deadlineMinutes = 50
const testTimeoutMinutes = 10

/** What must hold beside the tests; the order is from fast to slow. Add a line to add a suite. */
const checks = [
  { title: 'format (prettier)', args: ['node_modules/prettier/bin/prettier.cjs', '--check', '.'] },
  { title: 'lint (eslint)', args: ['node_modules/eslint/bin/eslint.js', '.'] },
  { title: 'benchmarks, small', args: ['tools/bench.mjs', '--small'] },
]

const help = `npm test [-- <part of a path>… [--test-…]]

Sets up what is missing, then checks format, lint and types and runs all tests.
With a part of a path (hub, gateway/tests/token) only the tests of that name are run, no checks.
What begins with --test- goes to Node's test runner: npm test -- hub --test-name-pattern=gap`

function findTests(filters) {
  const compiled = join(root, 'build')
  const files = readdirSync(compiled, { recursive: true }).map((name) => `build/${name}`)
  files.push(...readdirSync(join(root, 'tools/tests')).map((name) => `tools/tests/${name}`))
  return files
    .filter((name) => /\/tests\/.*\.test\.m?js$/.test(name))
    .filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter)))
    .sort()
}

/** Runs the checks whose script exists; answers with the titles of those that failed. */
async function runChecks() {
  const failed = []
  for (const { title, args } of checks) {
    if (!existsSync(join(root, args[0]))) continue
    const code = await step(title, () => runNode(args))
    if (code !== 0) failed.push(title)
  }
  return failed
}

async function main() {
  const args = process.argv.slice(2)
  if (args.includes('--help')) return console.log(help)
  const flags = args.filter((arg) => arg.startsWith('--test-'))
  const filters = args.filter((arg) => !arg.startsWith('--'))
  const unknown = args.find((arg) => arg.startsWith('--') && !arg.startsWith('--test-'))
  if (unknown) throw new SetupError(`Unknown option ${unknown}.\n\n${help}`)

  await setUpForTests()
  const failed = filters.length === 0 ? await runChecks() : []
  const files = findTests(filters)
  if (files.length === 0)
    throw new SetupError(`No test file has ${filters.join(' or ')} in its path.`)
  // Last and without a line after it: CI reads the test runner's own summary from the end.
  console.log(`▸ ${files.length} test files`)
  const code = await runTests(files, flags)
  if (code !== 0) failed.push('tests')
  if (failed.length > 0) throw new SetupError(`npm test failed: ${failed.join(', ')}.`)
}

function runTests(files, flags) {
  const timeout = `--test-timeout=${testTimeoutMinutes * 60_000}`
  const fixed = ['--test', '--test-concurrency=2', '--test-reporter=spec', timeout]
  const chromium = findChromium()
  return runNode([...fixed, ...flags, ...files], { env: chromium ? { CHROMIUM: chromium } : {} })
}

const deadline = setTimeout(() => {
  console.error(`npm test failed: it did not end within ${deadlineMinutes} minutes.`)
  endAll()
  process.exitCode = 1
  setTimeout(() => process.exit(1), 10_000).unref()
}, deadlineMinutes * 60_000)
await runMain(main)
clearTimeout(deadline)
