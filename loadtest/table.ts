/** A table in plain text: the first column to the left, the others to the right. */

/** A column without a title has no rule: it is a remark to the one before it. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? ''
        return column === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd()
  const rule = header.map((title, column) => (title === '' ? '' : '-'.repeat(widths[column] ?? 0)))
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}
