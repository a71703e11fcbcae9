/** The limits of the wire, with their defaults. PROTOCOL 12 says which of them are fixed. */

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
  /** Publications that a subscription may ask to begin with. */
  lastMax: 1_000,
  /** What one recovery gives; what is beyond it is a gap. */
  recoveryCountMax: 1_000,
  recoveryBytesMax: 1_048_576,
  /** Publications in one answer of `GET /v1/history`. */
  historyLimitDefault: 100,
  historyLimitMax: 1_000,
} as const
