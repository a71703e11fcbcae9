/** Files served as they are, for the demo of the development start. */
import { readFile } from 'node:fs/promises'
import type { HttpResponse, TemplatedApp } from 'uWebSockets.js'
import { answerFault } from './fault.js'
import type { Node } from './node.js'
import { statusLine } from './problem.js'

export interface Asset {
  readonly contentType: string
  /** Read at each request: what is edited is seen at the next reload. */
  read(): Promise<Uint8Array | string>
}

/** By exact path. */
export type Assets = ReadonlyMap<string, Asset>

export function fileAsset(path: string, contentType: string): Asset {
  return { contentType, read: () => readFile(path) }
}

export function addAssets(app: TemplatedApp, assets: Assets, node: Node): void {
  for (const [path, asset] of assets) app.get(path, (res) => void answer(node, res, asset))
}

/** Never rejects. */
async function answer(node: Node, res: HttpResponse, asset: Asset): Promise<void> {
  let isOpen = true
  res.onAborted(() => {
    isOpen = false
  })
  try {
    const body = await asset.read()
    if (isOpen) send(res, asset.contentType, body)
  } catch (error) {
    if (isOpen) answerFault(node, res, error)
    else node.onInternalError(error)
  }
}

function send(res: HttpResponse, contentType: string, body: Uint8Array | string): void {
  res.cork(() => {
    res.writeStatus(statusLine(200))
    res.writeHeader('Content-Type', contentType)
    res.writeHeader('Cache-Control', 'no-store')
    res.end(body)
  })
}
