/** A headless Chromium of the system, with a profile that is thrown away. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-background-networking',
      '--disable-gpu',
      '--no-first-run',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** `CHROMIUM` names it; else the first on the PATH. */
export function findChromium(): string {
  const named = process.env['CHROMIUM']
  if (named) return named
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin']
  const paths = folders.flatMap((folder) => names.map((name) => join(folder, name)))
  const path = paths.find(isExecutable)
  if (path === undefined) throw new Error('no Chromium on the PATH; CHROMIUM=… names one')
  return path
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
