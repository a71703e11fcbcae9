/** Files served as they are, for the demo of the development start. */
import { readFile } from 'node:fs/promises'
import type { HttpResponse, TemplatedApp } from 'uWebSockets.js'
import type { Node } from './node.js'
import { sendProblem, statusLine } from './problem.js'

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
  for (const [path, asset] of assets) {
    app.get(path, (res) => {
      let isOpen = true
      res.onAborted(() => {
        isOpen = false
      })
      asset.read().then(
        (body) => isOpen && send(res, asset.contentType, body),
        (error: unknown) => {
          node.onInternalError(error)
          if (!isOpen) return
          sendProblem(res, { code: 'not_found', detail: 'The file cannot be read.' })
        },
      )
    })
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
