/** The admin port: what a balancer, a supervisor and Prometheus ask it. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { AdminServer, type AdminSources } from '../admin-server.js'

async function open(t: TestContext, sources: Partial<AdminSources> = {}): Promise<string> {
  const server = new AdminServer({
    metrics: { contentType: 'text/plain; version=0.0.4', read: async () => 'tidegate_test 1\n' },
    notReadyReasons: () => [],
    warnings: () => [],
    ...sources,
  })
  t.after(() => server.close())
  return `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}`
}

test('a node that runs lives, ready or not', async (t) => {
  const url = await open(t, { notReadyReasons: () => ['draining'] })
  const response = await fetch(`${url}/health/live`)
  assert.equal(response.status, 200)
  assert.deepEqual(await response.json(), { live: true })
})

test('a node is ready until it has a reason not to be, and then says which', async (t) => {
  const reasons: string[] = []
  const url = await open(t, { notReadyReasons: () => reasons })
  const ready = await fetch(`${url}/health/ready`)
  assert.equal(ready.status, 200)
  assert.deepEqual(await ready.json(), { ready: true })
  reasons.push('broker_unavailable')
  const notReady = await fetch(`${url}/health/ready`)
  assert.equal(notReady.status, 503)
  assert.deepEqual(await notReady.json(), { ready: false, reasons: ['broker_unavailable'] })
})

test('a history that is away is a warning, and keeps no balancer from a ready node', async (t) => {
  const url = await open(t, { warnings: () => ['history_unavailable'] })
  const response = await fetch(`${url}/health/ready`)
  assert.equal(response.status, 200)
  assert.deepEqual(await response.json(), { ready: true, warnings: ['history_unavailable'] })
})

test('the metrics are served in the text form of Prometheus', async (t) => {
  const response = await fetch(`${await open(t)}/metrics?x=1`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4')
  assert.equal(response.headers.get('cache-control'), 'no-store')
  assert.equal(await response.text(), 'tidegate_test 1\n')
})

test('HEAD is answered as GET, without the body', async (t) => {
  const response = await fetch(`${await open(t)}/metrics`, { method: 'HEAD' })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-length'), '16')
  assert.equal(await response.text(), '')
})

test('another path is a 404, and another method a 405 that says which there are', async (t) => {
  const url = await open(t)
  assert.equal((await fetch(`${url}/`)).status, 404)
  assert.equal((await fetch(`${url}/health`)).status, 404)
  const response = await fetch(`${url}/health/live`, { method: 'POST', body: '{}' })
  assert.equal(response.status, 405)
  assert.equal(response.headers.get('allow'), 'GET, HEAD')
})

test('metrics that cannot be read are a 500 and do not end the process', async (t) => {
  const read = async (): Promise<string> => Promise.reject(new Error('broken'))
  const url = await open(t, { metrics: { contentType: 'text/plain', read } })
  assert.equal((await fetch(`${url}/metrics`)).status, 500)
  assert.equal((await fetch(`${url}/health/live`)).status, 200)
})

test('a port that is taken is told to the caller', async (t) => {
  const port = Number(new URL(await open(t)).port)
  const metrics = { contentType: '', read: async () => '' }
  const second = new AdminServer({ metrics, notReadyReasons: () => [], warnings: () => [] })
  await assert.rejects(second.listen(port, '127.0.0.1'), { code: 'EADDRINUSE' })
})
