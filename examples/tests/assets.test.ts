/** What the development start serves for the demo. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { stocksAssets } from '../stocks/assets.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test('the page, and every module it imports, are served, and nothing else of build/', () => {
  const assets = stocksAssets(root)
  for (const path of [
    '/',
    '/demo/page.css',
    '/demo/icon.svg',
    '/demo/examples/stocks/page.js',
    '/demo/examples/stocks/delay-meter.js',
    '/demo/client/websocket-transport.js',
    '/demo/shared/channel.js',
  ]) {
    assert.ok(assets.has(path), path)
  }
  for (const path of assets.keys()) assert.doesNotMatch(path, /service|main|assets|tests|hub/)
})

test('every address in the page is served, and its policy allows no other host', () => {
  const assets = stocksAssets(root)
  const html = readFileSync(assets.get('/')?.file ?? '', 'utf8')
  const addresses = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address)
  assert.ok(addresses.length >= 3)
  for (const address of addresses) assert.ok(assets.has(address ?? ''), address)
  assert.match(html, /default-src 'none'/)
  assert.doesNotMatch(html, /unsafe|https?:|<script>|<style| style=/)
})
