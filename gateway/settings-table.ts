/** Writes the README's table of settings from the schema, so that the two cannot differ. */
import { settingEntries } from './config-schema.js'
import type { Setting } from './config-setting.js'

const beginMarker = '<!-- settings:begin -->'
const endMarker = '<!-- settings:end -->'

export function settingsTable(): string {
  const rows = settingEntries.map(([, setting]) => {
    const cells = [`\`${setting.env}\``, defaultOf(setting), setting.allowed, setting.help]
    return `| ${cells.join(' | ')} |`
  })
  return [
    '| setting | default | allowed | what it is |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

/** The README with the table of now between the markers, which are added if they are not there. */
export function withSettingsTable(readme: string): string {
  // Prettier would pad every cell to the width of the widest.
  const table = `<!-- prettier-ignore-start -->\n${settingsTable()}\n<!-- prettier-ignore-end -->`
  const block = `${beginMarker}\n\n${table}\n\n${endMarker}`
  const begin = readme.indexOf(beginMarker)
  const end = readme.indexOf(endMarker)
  if (begin === -1 || end < begin) return `${readme.trimEnd()}\n\n${block}\n`
  return readme.slice(0, begin) + block + readme.slice(end + endMarker.length)
}

function defaultOf({ fallback }: Setting<unknown>): string {
  if (fallback === undefined) return 'unset'
  if (Array.isArray(fallback) && fallback.length === 0) return 'unset'
  if (fallback instanceof Map) return '`{"default":{}}`'
  // Whatever is left out of an object has its own default.
  if (typeof fallback === 'object') return '`{}`'
  return `\`${String(fallback)}\``
}
