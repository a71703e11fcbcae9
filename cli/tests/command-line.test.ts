/** The command line: help, unknown commands and options, the version. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { tidegate } from './spawned.js'

const commands = ['serve', 'token', 'publish', 'tail', 'provision']

test('tidegate --help lists the commands', async (t) => {
  const spawned = tidegate(t, ['--help'])
  assert.equal(await spawned.exit(), 0)
  for (const command of commands)
    assert.match(spawned.stdout, new RegExp(`^  ${command} +\\S`, 'm'))
  assert.equal(spawned.stderr, '')
})

for (const command of commands) {
  test(`tidegate ${command} --help says what it does, with its options`, async (t) => {
    const spawned = tidegate(t, [command, '--help'])
    assert.equal(await spawned.exit(), 0)
    assert.match(spawned.stdout, new RegExp(`^tidegate ${command}`))
  })

  test(`tidegate ${command} refuses an option that it does not have`, async (t) => {
    const spawned = tidegate(t, [command, '--bogus'])
    assert.equal(await spawned.exit(), 2)
    assert.match(spawned.stderr, /--bogus/)
    assert.match(spawned.stderr, new RegExp(`tidegate ${command} --help`))
    assert.equal(spawned.stdout, '')
  })
}

test('tidegate --version is the version of the package', async (t) => {
  const file = new URL('../../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  const spawned = tidegate(t, ['--version'])
  assert.equal(await spawned.exit(), 0)
  assert.equal(spawned.stdout, `${version}\n`)
})

test('an unknown command, or none, is refused with the list of commands', async (t) => {
  for (const args of [['bogus'], []]) {
    const spawned = tidegate(t, args)
    assert.equal(await spawned.exit(), 2)
    assert.match(spawned.stderr, /provision/)
    assert.equal(spawned.stdout, '')
  }
})
