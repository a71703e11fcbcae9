/** What a hub counts on its hot paths. All of it rises only; read when the metrics are scraped. */
export class HubCounters {
  /** Once for each interest that a publication matches: each has a broker subscription. */
  publicationsReceived = 0
  deliveries = 0
  /** Publications larger than the limit. */
  publicationsTooLarge = 0
  /** Publications through a pattern whose subject is no valid channel. */
  publicationsBadChannel = 0
}
