/** A test of an application, with a real gateway and the client as its users have it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Tidegate } from '@tidegate/client'
import { mint, startGateway, type Gateway } from './gateway.js'

let gateway: Gateway

before(async () => {
  gateway = await startGateway()
})

after(() => gateway.stop())

test('who follows an order hears that it is shipped', async (t) => {
  const customer = new Tidegate(gateway.url, { token: () => mint('customer', 'orders.42') })
  const shop = new Tidegate(gateway.url, { token: () => mint('shop', 'orders.*') })
  t.after(() => customer.close())
  t.after(() => shop.close())

  const order = customer.channel('orders.42')
  const heard = order[Symbol.asyncIterator]().next()
  await new Promise((resolve) => order.on('subscribed', resolve))
  await shop.publish('orders.42', { state: 'shipped' })

  const { value } = await heard
  assert.deepEqual(value?.data, { state: 'shipped' })
  assert.equal(value?.sender, 'shop')
})
