/** How much of a page's heap is what its scripts made, without what the engine keeps beside. */
import type { CDPSession } from 'playwright-core'

/** Code comes and goes with how often it runs; playwright itself keeps requests in `native`. */
const own: ReadonlySet<string> = new Set([
  ...['object', 'array', 'closure', 'string', 'concatenated string', 'sliced string'],
  ...['number', 'bigint', 'symbol', 'regexp', 'object shape'],
])

interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[]
      readonly node_types: readonly [readonly string[], ...unknown[]]
    }
  }
  readonly nodes: readonly number[]
}

/** Bytes that cannot be collected. */
export async function scriptHeapBytes(devTools: CDPSession): Promise<number> {
  let text = ''
  const add = ({ chunk }: { readonly chunk: string }): void => void (text += chunk)
  devTools.on('HeapProfiler.addHeapSnapshotChunk', add)
  await devTools.send('HeapProfiler.collectGarbage')
  await devTools.send('HeapProfiler.takeHeapSnapshot', { reportProgress: false })
  devTools.off('HeapProfiler.addHeapSnapshotChunk', add)
  const { snapshot, nodes } = JSON.parse(text) as Snapshot
  const { node_fields: fields, node_types: types } = snapshot.meta
  const [typeAt, sizeAt] = [fields.indexOf('type'), fields.indexOf('self_size')]
  let bytes = 0
  for (let node = 0; node < nodes.length; node += fields.length) {
    const type = types[typeAt as 0][nodes[node + typeAt] ?? 0] ?? ''
    if (own.has(type)) bytes += nodes[node + sizeAt] ?? 0
  }
  return bytes
}
