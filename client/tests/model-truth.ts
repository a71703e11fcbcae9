/** What was published, written down apart from the gateway that delivers it. */

export interface Published {
  /** Unique, and rising: what the payload says. */
  readonly data: number
  readonly channel: string
  readonly moment: number
  /** Of durable channels: how many histories were before this one. */
  readonly epoch: number
  /** Told by the gateway. */
  offset: number | undefined
}

export class Truth {
  readonly published: Published[] = []
  #moments = 0
  /** By namespace. */
  readonly #epochs = new Map<string, number>()

  /** Everything that happens has a moment of its own. */
  moment(): number {
    return ++this.#moments
  }

  /** Written down before it is sent: it may be heard at once. */
  add(channel: string): Published {
    const data = this.published.length + 1
    const epoch = this.#epochs.get(channel.split('.')[0] ?? '') ?? 0
    const published = { data, channel, moment: this.moment(), epoch, offset: undefined }
    this.published.push(published)
    return published
  }

  renewed(namespace: string): void {
    this.#epochs.set(namespace, (this.#epochs.get(namespace) ?? 0) + 1)
  }
}
