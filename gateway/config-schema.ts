/** The one schema of the configuration: every setting's name, type, default, bounds and help. */
import type { Namespaces } from '../hub/namespaces.js'
import type { RecoveryCosts } from '../hub/recovery-plan.js'
import { limits } from '../shared/limits.js'
import {
  anyText,
  choice,
  flag,
  integer,
  list,
  optional,
  readableFile,
  secret,
  text,
  type Grammar,
  type Setting,
} from './config-setting.js'
import { namespacesSetting } from './config-namespaces.js'
import { recoveryCostsSetting } from './config-recovery-costs.js'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** What the process runs with: parsed once, frozen, passed down. */
export interface Config {
  readonly host: string
  readonly port: number
  readonly adminHost: string
  readonly adminPort: number
  readonly allowedOrigins: readonly string[]
  readonly proxyProtocol: boolean
  readonly natsUrls: readonly string[]
  readonly natsUser: string | undefined
  readonly natsPassword: string | undefined
  readonly natsToken: string | undefined
  readonly natsCredentialsFile: string | undefined
  readonly natsNkeyFile: string | undefined
  readonly natsCaFile: string | undefined
  readonly natsCertFile: string | undefined
  readonly natsKeyFile: string | undefined
  readonly subjectPrefix: string
  readonly namespaces: Namespaces
  readonly provision: boolean
  /** All of them are good: a rotation has two for a while. */
  readonly jwtSecrets: readonly string[]
  readonly jwtPublicKeyFiles: readonly string[]
  readonly jwksFile: string | undefined
  readonly jwksUrl: string | undefined
  readonly jwtAudience: string | undefined
  readonly jwtIssuer: string | undefined
  readonly clockToleranceSeconds: number
  readonly tokenLifetimeSecondsMax: number
  readonly heartbeatSeconds: number
  readonly publicationBytesMax: number
  readonly frameBytesMax: number
  readonly subscriptionsMax: number
  readonly requestChannelsMax: number
  readonly framesPerSecondMax: number
  readonly framesBurstMax: number
  readonly pollWaitSecondsMax: number
  readonly connectionsMax: number
  readonly pendingPollsMax: number
  readonly outboxBytesMax: number
  readonly outboxesBytesMax: number
  readonly channelsMax: number
  readonly lingeringMax: number
  readonly lingerSeconds: number
  readonly ringCountMax: number
  readonly ringBytesMax: number
  readonly ringsBytesMax: number
  readonly recoveryCountMax: number
  readonly recoveryBytesMax: number
  readonly recoveriesBytesMax: number
  readonly recoveryCosts: Readonly<Record<'file' | 'memory', RecoveryCosts>>
  readonly patternChannelsMax: number
  readonly verifySeconds: number
  readonly browserRefusalsPerSecondMax: number
  readonly shutdownGraceSeconds: number
  readonly logLevel: LogLevel
}

const kib = 1_024
const mib = 1_024 * kib
const gib = 1_024 * mib

const natsUrl: Grammar = {
  allowed: '`nats://host:port` or `tls://host:port`, several separated by commas',
  matches: (given) => /^(?:nats|tls):\/\/(?:[^\s@/]*@)?[^\s@/?#]+\/?$/.test(given),
}

const httpUrl: Grammar = {
  allowed: 'an `https://` or `http://` address without user and password',
  matches: (given) => /^https?:\/\/[^\s/@]+(?:\/|$)/.test(given) && URL.canParse(given),
}

const origins: Grammar = {
  allowed: '`*`, or `scheme://host[:port]` in lower case, several separated by commas',
  matches(given) {
    if (given === '*') return true
    if (/^https?:/.test(given)) return URL.canParse(given) && new URL(given).origin === given
    return /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#A-Z]+$/.test(given)
  },
}

// RFC 7518 3.2: a key of the size of the hash output or larger.
const secretBytesMin = 32
const hmacSecret: Grammar = {
  allowed: `${secretBytesMin} bytes or more, without white space, which separates several`,
  matches: (given) => Buffer.byteLength(given) >= secretBytesMin,
}

const subjectPrefix: Grammar = {
  allowed: 'tokens of `A-Z a-z 0-9 _ -` joined by dots, at most 64 characters',
  matches: (given) => given.length <= 64 && /^[\w-]+(?:\.[\w-]+)*$/.test(given),
}

const files: Grammar = {
  allowed: 'paths of files that exist and can be read, separated by commas',
  matches: (given) => readableFile.matches(given),
}

const comma = /\s*,\s*/
const whiteSpace = /\s+/

/** In the order of the README's table. */
export const settings: { readonly [Key in keyof Config]: Setting<Config[Key]> } = {
  host: text('TIDEGATE_HOST', '0.0.0.0', anyText, 'address that clients connect to'),
  port: integer('TIDEGATE_PORT', 8080, 0, 65_535, 'port that clients connect to; 0: any free one'),
  adminHost: text('TIDEGATE_ADMIN_HOST', '127.0.0.1', anyText, 'address of the admin port'),
  adminPort: integer(
    'TIDEGATE_ADMIN_PORT',
    9090,
    0,
    65_535,
    'port of `/metrics`, `/health/live` and `/health/ready`; 0: off',
  ),
  allowedOrigins: list(
    'TIDEGATE_ALLOWED_ORIGINS',
    comma,
    origins,
    'web origins that may connect (CORS and WebSocket); `*`: any; unset: none',
  ),
  proxyProtocol: flag(
    'TIDEGATE_PROXY_PROTOCOL',
    false,
    'take the client address from PROXY protocol v2; only behind a balancer that sends it',
  ),

  natsUrls: list('TIDEGATE_NATS_URL', comma, natsUrl, 'NATS servers; unset: the in-memory broker'),
  natsUser: optional('TIDEGATE_NATS_USER', anyText, 'NATS user'),
  natsPassword: secret(optional('TIDEGATE_NATS_PASSWORD', anyText, 'NATS password')),
  natsToken: secret(optional('TIDEGATE_NATS_TOKEN', anyText, 'NATS token')),
  natsCredentialsFile: optional('TIDEGATE_NATS_CREDENTIALS_FILE', readableFile, 'NATS `.creds`'),
  natsNkeyFile: optional('TIDEGATE_NATS_NKEY_FILE', readableFile, 'NKey seed for NATS'),
  natsCaFile: optional('TIDEGATE_NATS_CA_FILE', readableFile, 'CA (PEM) that signed the servers'),
  natsCertFile: optional('TIDEGATE_NATS_CERT_FILE', readableFile, 'client certificate (PEM)'),
  natsKeyFile: optional('TIDEGATE_NATS_KEY_FILE', readableFile, 'key of the client certificate'),
  subjectPrefix: text('TIDEGATE_SUBJECT_PREFIX', 'rt', subjectPrefix, 'first part of each subject'),
  namespaces: namespacesSetting,
  provision: flag(
    'TIDEGATE_PROVISION',
    false,
    'make and update the streams of durable namespaces at the start, as `tidegate provision` does',
  ),

  jwtSecrets: secret(
    list('TIDEGATE_JWT_SECRET', whiteSpace, hmacSecret, 'secret of HS256, HS384 and HS512 tokens'),
  ),
  jwtPublicKeyFiles: list('TIDEGATE_JWT_PUBLIC_KEY_FILES', comma, files, 'public keys (PEM)'),
  jwksFile: optional('TIDEGATE_JWKS_FILE', readableFile, 'JWKS file, re-read when it changes'),
  jwksUrl: optional('TIDEGATE_JWKS_URL', httpUrl, 'address of a JWKS'),
  jwtAudience: optional('TIDEGATE_JWT_AUDIENCE', anyText, '`aud` that a token must have'),
  jwtIssuer: optional('TIDEGATE_JWT_ISSUER', anyText, '`iss` that a token must have'),
  clockToleranceSeconds: integer(
    'TIDEGATE_CLOCK_TOLERANCE_SECONDS',
    5,
    0,
    300,
    'how far the clock of who mints the tokens may be off',
  ),
  tokenLifetimeSecondsMax: integer(
    'TIDEGATE_TOKEN_LIFETIME_SECONDS_MAX',
    limits.tokenLifetimeSecondsMax,
    1,
    2_592_000,
    'how far in the future `exp` may lie',
  ),

  heartbeatSeconds: integer(
    'TIDEGATE_HEARTBEAT_SECONDS',
    limits.heartbeatSeconds,
    4,
    300,
    'time between two heartbeats; below the idle timeout of every balancer on the way',
  ),
  publicationBytesMax: integer(
    'TIDEGATE_PUBLICATION_BYTES_MAX',
    limits.publicationBytesMax,
    1,
    1_000_000,
    'payload of one publication',
  ),
  frameBytesMax: integer(
    'TIDEGATE_FRAME_BYTES_MAX',
    limits.frameBytesMax,
    kib,
    1_000_000,
    'one frame of a client, or the body of one request',
  ),
  subscriptionsMax: integer(
    'TIDEGATE_SUBSCRIPTIONS_MAX',
    limits.subscriptionsMax,
    1,
    65_536,
    'subscriptions of one connection',
  ),
  requestChannelsMax: integer(
    'TIDEGATE_REQUEST_CHANNELS_MAX',
    limits.requestChannelsMax,
    1,
    64,
    'channels of one event stream or poll',
  ),
  framesPerSecondMax: integer(
    'TIDEGATE_FRAMES_PER_SECOND_MAX',
    limits.framesPerSecondMax,
    1,
    100_000,
    'frames a second of one connection',
  ),
  framesBurstMax: integer(
    'TIDEGATE_FRAMES_BURST_MAX',
    limits.framesBurstMax,
    1,
    100_000,
    'frames of one connection at once',
  ),
  pollWaitSecondsMax: integer(
    'TIDEGATE_POLL_WAIT_SECONDS_MAX',
    limits.pollWaitSecondsMax,
    0,
    300,
    'longest `wait` of a poll',
  ),

  connectionsMax: integer(
    'TIDEGATE_CONNECTIONS_MAX',
    0,
    0,
    10_000_000,
    'open connections; 0: the open-file limit less 1000, which is also the most allowed',
  ),
  pendingPollsMax: integer(
    'TIDEGATE_PENDING_POLLS_MAX',
    20_000,
    1,
    1_000_000,
    'polls that wait at a time',
  ),
  outboxBytesMax: integer(
    'TIDEGATE_OUTBOX_BYTES_MAX',
    64 * kib,
    4 * kib,
    mib,
    'unsent bytes of one connection beyond which it is behind',
  ),
  outboxesBytesMax: integer(
    'TIDEGATE_OUTBOXES_BYTES_MAX',
    256 * mib,
    mib,
    64 * gib,
    'unsent bytes of all connections',
  ),
  channelsMax: integer(
    'TIDEGATE_CHANNELS_MAX',
    200_000,
    1,
    10_000_000,
    'channels and patterns with interest, lingering ones included',
  ),
  lingeringMax: integer(
    'TIDEGATE_LINGERING_MAX',
    20_000,
    0,
    10_000_000,
    'channels kept without a subscriber',
  ),
  lingerSeconds: integer(
    'TIDEGATE_LINGER_SECONDS',
    30,
    0,
    3_600,
    'how long a channel and its ring are kept for those who come back',
  ),
  ringCountMax: integer('TIDEGATE_RING_COUNT_MAX', 100, 1, 10_000, 'publications of one ring'),
  ringBytesMax: integer('TIDEGATE_RING_BYTES_MAX', 256 * kib, kib, 16 * mib, 'bytes of one ring'),
  ringsBytesMax: integer('TIDEGATE_RINGS_BYTES_MAX', 64 * mib, mib, 64 * gib, 'bytes of all rings'),
  recoveryCountMax: integer(
    'TIDEGATE_RECOVERY_COUNT_MAX',
    limits.recoveryCountMax,
    1,
    100_000,
    'publications of one recovery; what is beyond it is a gap',
  ),
  recoveryBytesMax: integer(
    'TIDEGATE_RECOVERY_BYTES_MAX',
    limits.recoveryBytesMax,
    kib,
    64 * mib,
    'payload bytes of one recovery, and, up to 1 MiB, of one page of a history',
  ),
  recoveriesBytesMax: integer(
    'TIDEGATE_RECOVERIES_BYTES_MAX',
    64 * mib,
    mib,
    64 * gib,
    'payload bytes of all recoveries, read and not delivered yet',
  ),
  recoveryCosts: recoveryCostsSetting,
  patternChannelsMax: integer(
    'TIDEGATE_PATTERN_CHANNELS_MAX',
    10_000,
    1,
    10_000_000,
    "channels of a durable namespace that are followed only for a pattern's sake",
  ),
  verifySeconds: integer(
    'TIDEGATE_VERIFY_SECONDS',
    60,
    1,
    3_600,
    'time between two looks whether every durable channel has everything',
  ),
  browserRefusalsPerSecondMax: integer(
    'TIDEGATE_BROWSER_REFUSALS_PER_SECOND_MAX',
    10,
    0,
    1_000,
    'refused WebSockets of browsers that are opened to tell why, a second and address',
  ),
  shutdownGraceSeconds: integer(
    'TIDEGATE_SHUTDOWN_GRACE_SECONDS',
    10,
    0,
    600,
    'time from SIGTERM to the exit',
  ),
  logLevel: choice('TIDEGATE_LOG_LEVEL', 'info', logLevels, 'the least level that is logged'),
}

/** Every setting with its key, in the order of the README's table. */
export const settingEntries: readonly (readonly [keyof Config, Setting<unknown>])[] =
  Object.entries(settings) as [keyof Config, Setting<unknown>][]
