/** What the client costs an application: bundled, minified and gzipped, and by module. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { minify } from 'terser'
import { installClient } from './pack-client.mjs'

/** The budget of what `application` bundles, gzipped. */
export const bytesMax = 9_216

/** As an application uses it; every transport comes along, as it is the default. */
const application = `
import { Tidegate } from '@tidegate/client'
globalThis.tidegate = new Tidegate(location.origin, { token: () => 'a token' })`

/** `modules`: by path, largest first, the minified bytes that each has in the bundle. */
export async function measureClient() {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-size-'))
  try {
    installClient(folder)
    const { outputFiles, metafile } = await build({
      ...{ stdin: { contents: application, resolveDir: folder }, absWorkingDir: folder },
      ...{ bundle: true, minify: true, format: 'esm', target: 'es2022' },
      ...{ write: false, metafile: true, outfile: 'bundle.js' },
    })
    const { inputs } = metafile.outputs['bundle.js']
    const modules = Object.entries(inputs)
      .map(([path, { bytesInOutput }]) => ({
        path: path.replace('node_modules/@tidegate/client/dist/', ''),
        bytes: bytesInOutput,
      }))
      .filter(({ bytes }) => bytes > 0)
      .sort((one, other) => other.bytes - one.bytes)
    const { code } = await minify(outputFiles[0].text, { module: true, ecma: 2022 })
    return { gzippedBytes: gzipSync(code, { level: 9 }).length, bytes: code.length, modules }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export function sizeReport({ gzippedBytes, bytes, modules }) {
  const lines = modules.map((module) => {
    const percent = ((100 * module.bytes) / bytes).toFixed(1)
    return `${String(module.bytes).padStart(7)}  ${percent.padStart(5)} %  ${module.path}`
  })
  const total = `${gzippedBytes} bytes gzipped of at most ${bytesMax}; ${bytes} minified:`
  return [total, ...lines].join('\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(sizeReport(await measureClient()))
}
