/** The files behind the demo page: which address is served from which file, in development only. */
import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

export interface Asset {
  readonly file: string
  readonly contentType: string
}

/** By path. Modules keep their places under `build/`: their relative imports work as they are. */
export function stocksAssets(root: string): Map<string, Asset> {
  const source = join(root, 'examples/stocks')
  const assets = new Map<string, Asset>([
    ['/', { file: join(source, 'index.html'), contentType: 'text/html; charset=utf-8' }],
    ['/demo/page.css', { file: join(source, 'page.css'), contentType: 'text/css; charset=utf-8' }],
    ['/demo/icon.svg', { file: join(source, 'icon.svg'), contentType: 'image/svg+xml' }],
  ])
  const build = join(root, 'build')
  for (const file of modulesOf(join(build, 'examples/stocks/page.js'))) {
    const path = `/demo/${relative(build, file).replaceAll('\\', '/')}`
    assets.set(path, { file, contentType: 'text/javascript; charset=utf-8' })
  }
  return assets
}

/** A compiled module and all that it imports: what the page needs, and nothing else of `build/`. */
function modulesOf(entry: string): Set<string> {
  const modules = new Set([entry])
  for (const file of modules) {
    const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b.*?'(\.[^']+)'/gm)
    for (const [, specifier = ''] of imports) modules.add(resolve(dirname(file), specifier))
  }
  return modules
}
