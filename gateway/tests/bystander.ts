/** A connection that has done nothing wrong: whatever others send, it must go on receiving. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { TestGateway } from './harness.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const channel = 'chat.bystander'

export class Bystander {
  readonly #gateway: TestGateway
  readonly #client: TestClient
  #sent = 0

  private constructor(gateway: TestGateway, client: TestClient) {
    this.#gateway = gateway
    this.#client = client
  }

  static async connect(t: TestContext, gateway: TestGateway): Promise<Bystander> {
    const token = mint({ channels: [channel] })
    return new Bystander(gateway, await TestClient.connect(t, gateway.ws, token))
  }

  /** Publishes, and expects that it arrives, alone, on the connection that was there before. */
  async receives(): Promise<void> {
    this.#sent += 1
    const payload = Buffer.from(String(this.#sent))
    await this.#gateway.broker.publish(`rt.pub.${channel}`, payload, {})
    const { data } = await this.#client.next('publication')
    assert.equal(data, this.#sent)
    assert.equal(this.#gateway.internalErrors.length, 0)
  }
}
