/** The limits of the wire, with their defaults (PROTOCOL 12). A deployment may change them. */

export const limits = {
  /** Payload of one publication. */
  publicationBytesMax: 65_536,
  /** One frame from a client. */
  frameBytesMax: 81_920,
  subscriptionsMax: 256,
  /** Channels of one event stream or poll. */
  requestChannelsMax: 16,
  framesPerSecondMax: 100,
  framesBurstMax: 200,
  tokenBytesMax: 8_192,
  tokenLifetimeSecondsMax: 3600,
  pollWaitSecondsDefault: 25,
  pollWaitSecondsMax: 55,
  heartbeatSeconds: 30,
} as const
