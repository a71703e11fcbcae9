/** The tidy test: the house style, as far as a program can see it, and each rule's own test. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as documents from '../tidy/document-rules.mjs'
import * as imports from '../tidy/import-rules.mjs'
import { readSources, source } from '../tidy/sources.mjs'
import * as texts from '../tidy/text-rules.mjs'

const repository = readSources(fileURLToPath(new URL('../..', import.meta.url)))

/** The rules and their samples contain what they forbid. */
const spared = new Set(['tools/tests/tidy.test.mjs', 'tools/tidy/text-rules.mjs'])

/** For each rule: what it says, the rule, and sources that break it, once each. */
const fileRules = [
  [
    'no word that is banned is used',
    texts.bannedWords,
    [
      ['hub/a.ts', 'const now = Date.now()'],
      ['client/a.ts', 'setTimeout(run, 5)'],
      ['gateway/a.ts', 'setInterval(run, 5)'],
      ['hub/a.ts', 'const chance = Math.random()'],
      ['cli/a.ts', 'process.env.HOME'],
      ['gateway/a.ts', "console.log('up')"],
      ['shared/a.ts', 'const a = b as any'],
      ['hub/a.ts', '// @ts-ignore'],
      ['hub/tests/a.test.ts', "test.only('a', run)"],
      ['hub/a.ts', '// FIXME'],
      ['hub/a.ts', 'class ChannelManager {}'],
    ],
  ],
  [
    'no line or file is too long',
    texts.size,
    [
      ['hub/a.ts', `const a = '${'x'.repeat(100)}'`],
      ['hub/a.ts', 'run()\n'.repeat(401)],
    ],
  ],
  [
    'no function is too long',
    texts.functionSize,
    [
      ['hub/a.ts', `function a() {${'\n'.repeat(70)}}`],
      ['hub/a.ts', `const a = () => {${'\n'.repeat(70)}}`],
    ],
  ],
  [
    'every source begins with a sentence',
    texts.firstLine,
    [
      ['hub/a.ts', "import './b.js'"],
      ['hub/a.ts', '/** no end */'],
      ['hub/a.ts', '// A sentence.'],
    ],
  ],
  [
    'every file is named by its idea',
    texts.fileName,
    [
      ['hub/utils.ts', ''],
      ['hub/types.ts', ''],
      ['hub/index.ts', ''],
      ['hub/memoryBroker.ts', ''],
    ],
  ],
  [
    'no machine is named',
    texts.machineNames,
    [
      ['README.md', 'cd /root/tidegate'],
      ['README.md', 'get it from registry.example.org'],
    ],
  ],
  [
    'imports follow the arrows',
    imports.arrowsHold,
    [
      ['hub/a.ts', "import '../gateway/b.js'"],
      ['examples/stocks/a.ts', "export { b } from '../../gateway/b.js'"],
      ['shared/a.ts', "import { readFileSync } from 'node:fs'"],
    ],
  ],
  [
    'libraries stay with their owners',
    imports.ownersHold,
    [
      ['gateway/a.ts', "import '@nats-io/transport-node'"],
      ['hub/hub.ts', "import type { Msg } from '@nats-io/nats-core'"],
      ['hub/a.ts', "const uws = await import('uWebSockets.js')"],
      ['gateway/outbox.ts', "import type { HttpResponse } from 'uWebSockets.js'"],
    ],
  ],
]

for (const [promise, rule, samples] of fileRules) {
  test(`tidy: ${promise}`, () => {
    for (const [path, bad] of samples) assert.equal(rule(source(path, bad)).length, 1, bad)
    assert.deepEqual(repository.filter((file) => !spared.has(file.path)).flatMap(rule), [])
  })
}

const first = source('hub/a.ts', "import { b } from './b.js'")
const protocol = source('PROTOCOL.md', '**1.1** One.\n\n**1.2** Two.')
const citing = source('hub/tests/a.test.ts', "test('it holds (PROTOCOL 1.1, 1.3)', () => {})")

/** A document that shows this as the first line of hub/a.ts. */
function showing(line) {
  return source('README.md', `<!-- file: hub/a.ts -->\n\n\`\`\`ts\n${line}\n\`\`\``)
}

/** The same for rules that look at several files. */
const repositoryRules = [
  [
    'no imports run in a circle',
    imports.noCycles,
    [first, source('hub/b.ts', "export * from './a.js'")],
  ],
  ['each folder has a README', documents.readmes, [source('README.md', '')]],
  ['links lead to a file', documents.links, [source('README.md', '[a](hub/a.md)')]],
  ['code in a document is the file that it names', documents.snippets, [first, showing('b')]],
  ['every clause is tested', documents.clausesTested, [protocol, citing]],
]

for (const [promise, rule, bad] of repositoryRules) {
  test(`tidy: ${promise}`, () => {
    assert.notDeepEqual(rule(bad), [], 'the bad sample is found')
    assert.deepEqual(rule(repository), [])
  })
}

test('tidy: what the rules allow is not refused', () => {
  const typesOnly = source('hub/b.ts', "import type { A } from './a.js'")
  assert.deepEqual(imports.noCycles([first, typesOnly]), [])
  const usesEngine = "import type { App } from 'uWebSockets.js'"
  assert.deepEqual(imports.ownersHold(source('gateway/engine.ts', usesEngine)), [])
  assert.deepEqual(imports.ownersHold(source('gateway/tests/a.test.ts', usesEngine)), [])
  assert.deepEqual(texts.bannedWords(source('gateway/system-clock.ts', 'Date.now()')), [])
  assert.deepEqual(texts.machineNames(source('README.md', 'GET https://a.example/home/')), [])
  const shown = source('hub/a.ts', `${first.text}\n`)
  assert.deepEqual(documents.snippets([shown, showing(first.text)]), [])
  assert.deepEqual(documents.clausesTested([protocol, citing]), [
    'PROTOCOL 1.2 is cited by no test name',
    'hub/tests/a.test.ts cites PROTOCOL 1.3, which does not exist',
  ])
})
