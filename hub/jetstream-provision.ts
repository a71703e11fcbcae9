/** Checks the streams of all durable namespaces against what is wanted; makes and updates them. */
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { HistoryLayout } from './history-layout.js'
import { apiErrors, apiRequest, streamInfo, type ApiFault, type Json } from './jetstream-api.js'
import {
  serverTooOld,
  streamDifferences,
  updatedConfig,
  wantedStreams,
  type ExistingConfig,
  type StreamConfig,
} from './jetstream-stream.js'
import { natsConnectionOptions, type NatsOptions } from './nats-options.js'

interface Checked {
  readonly namespace: string
  readonly wanted: StreamConfig
}

/** What was found of one namespace's stream. Sentences say what is wrong and how to mend it. */
export type StreamCheck = Checked &
  (
    | { readonly type: 'fit' }
    | { readonly type: 'missing' }
    /** An update mends it: `field: is → wanted`. */
    | {
        readonly type: 'different'
        readonly lines: readonly string[]
        readonly existing: ExistingConfig
      }
    /** No update mends it. */
    | { readonly type: 'unfit'; readonly lines: readonly string[]; readonly sentence: string }
    /** `isPassing`: no answer could be had now; a moment later there may be one. */
    | { readonly type: 'unknown'; readonly sentence: string; readonly isPassing: boolean }
  )

export type Provisioned =
  | { readonly ok: true; readonly change: 'created' | 'updated' | 'none' }
  | { readonly ok: false; readonly sentence: string }

export type Opened =
  | { readonly ok: true; readonly provisioner: StreamProvisioner }
  | { readonly ok: false; readonly reason: string }

const connectMs = 5_000
const requestMs = 5_000

/** JetStream's own numbers. */
const noRoom = [10_023, 10_028, 10_047, 10_002]
const overlap = 10_065
const noPeers = [10_005, 10_074]

/** Rejects if what leads to NATS cannot be used: a file that is missing, say. */
export async function openProvisioner(
  options: NatsOptions,
  layout: HistoryLayout,
): Promise<Opened> {
  const settings = await natsConnectionOptions(options)
  try {
    const connection = await connect({
      ...settings,
      name: 'tidegate provision',
      reconnect: false,
      timeout: connectMs,
      noAsyncTraces: true,
    })
    return { ok: true, provisioner: new StreamProvisioner(connection, layout) }
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) }
  }
}

export class StreamProvisioner {
  readonly #connection: NatsConnection
  readonly #layout: HistoryLayout

  constructor(connection: NatsConnection, layout: HistoryLayout) {
    this.#connection = connection
    this.#layout = layout
  }

  get server(): string {
    return this.#connection.getServer()
  }

  /** One for each durable namespace, in their order. */
  async check(): Promise<readonly StreamCheck[]> {
    const checks: StreamCheck[] = []
    for (const [namespace, wanted] of wantedStreams(this.#layout)) {
      checks.push(await this.#check({ namespace, wanted }))
    }
    return checks
  }

  /** Makes or updates what a check found missing or different; the rest stays as it is. */
  async provision(check: StreamCheck): Promise<Provisioned> {
    switch (check.type) {
      case 'fit':
        return { ok: true, change: 'none' }
      case 'missing':
        return this.#change('CREATE', check.wanted, check.wanted)
      case 'different':
        return this.#change('UPDATE', check.wanted, updatedConfig(check.wanted, check.existing))
      case 'unfit':
      case 'unknown':
        return { ok: false, sentence: check.sentence }
    }
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  async #check(checked: Checked): Promise<StreamCheck> {
    const { wanted } = checked
    const tooOld = serverTooOld(this.#connection.info?.version ?? '0')
    if (tooOld !== undefined) {
      return { ...checked, type: 'unknown', sentence: tooOld, isPassing: false }
    }
    const info = await streamInfo(this.#connection, wanted.name, requestMs)
    if (!info.ok) return unknownOf(checked, info.fault)
    const existing = info.value.config
    const differences = streamDifferences(wanted, existing)
    if (differences.length === 0) return { ...checked, type: 'fit' }
    const lines = differences.map(({ line }) => line)
    const mends = differences.filter(({ mend }) => mend !== undefined)
    if (mends.length === 0) return { ...checked, type: 'different', lines, existing }
    const how = mends.map(({ line, mend }) => `${line} (${mend ?? ''})`).join('; ')
    const sentence = `Stream ${wanted.name} does not fit: ${how}.`
    return { ...checked, type: 'unfit', lines, sentence }
  }

  async #change(
    verb: 'CREATE' | 'UPDATE',
    wanted: StreamConfig,
    config: StreamConfig | ExistingConfig,
  ): Promise<Provisioned> {
    const subject = `STREAM.${verb}.${wanted.name}`
    const answer = await apiRequest(this.#connection, subject, config as Json, requestMs)
    if (!answer.ok) return { ok: false, sentence: await this.#refusal(wanted, answer.fault) }
    const { config: taken } = answer.value
    const left = streamDifferences(wanted, taken as ExistingConfig).map(({ line }) => line)
    if (left.length === 0) {
      return { ok: true, change: verb === 'CREATE' ? 'created' : 'updated' }
    }
    const sentence = `NATS took stream ${wanted.name}, but not all of it: ${left.join('; ')}.`
    return { ok: false, sentence }
  }

  async #refusal(wanted: StreamConfig, fault: ApiFault): Promise<string> {
    const { name } = wanted
    if (fault.type !== 'refused') return faultSentence(name, fault)
    const { errorCode, reason } = fault
    if (errorCode === overlap) {
      const others = await this.#streamsOf(wanted)
      return (
        `Stream ${name} cannot be made: ${others} captures some of ${wanted.subjects.join(', ')} ` +
        'already. Delete that stream or give it other subjects; or change ' +
        'TIDEGATE_SUBJECT_PREFIX.'
      )
    }
    if (noRoom.includes(errorCode)) {
      return (
        `NATS has no room for stream ${name} (${reason}): it reserves ${wanted.max_bytes} bytes ` +
        `of ${wanted.storage} storage. Lower \`maxBytes\` of the namespace, or give JetStream or ` +
        'this account more.'
      )
    }
    if (noPeers.includes(errorCode)) {
      return (
        `Stream ${name} wants ${wanted.num_replicas} replicas (${reason}): lower \`replicas\` of ` +
        'the namespace, or run so many servers with JetStream in one cluster.'
      )
    }
    return `NATS refuses stream ${name}: ${reason}.`
  }

  /** Those that have a subject of it. */
  async #streamsOf(wanted: StreamConfig): Promise<string> {
    const names = new Set<string>()
    for (const subject of wanted.subjects) {
      const answer = await apiRequest(this.#connection, 'STREAM.NAMES', { subject }, requestMs)
      const found: unknown = answer.ok ? answer.value['streams'] : undefined
      if (Array.isArray(found)) for (const name of found) names.add(String(name))
    }
    names.delete(wanted.name)
    return names.size === 0 ? 'another stream' : `stream ${[...names].join(', ')}`
  }
}

function unknownOf(checked: Checked, fault: ApiFault): StreamCheck {
  const isMissing = fault.type === 'refused' && fault.errorCode === apiErrors.streamNotFound
  if (isMissing) return { ...checked, type: 'missing' }
  const sentence = faultSentence(checked.wanted.name, fault)
  return { ...checked, type: 'unknown', sentence, isPassing: fault.type === 'unanswered' }
}

function faultSentence(stream: string, fault: ApiFault): string {
  switch (fault.type) {
    case 'no_jetstream':
      return (
        `NATS has no JetStream here (${fault.reason}): put \`jetstream {}\` into the server's ` +
        'configuration, and allow it for this account; or set `"history": false` for every ' +
        'namespace.'
      )
    case 'forbidden':
      return (
        `NATS does not permit it (${fault.reason}): allow this user to publish to ` +
        '`$JS.API.STREAM.INFO.*`, and to `$JS.API.STREAM.CREATE.*` and `$JS.API.STREAM.UPDATE.*` ' +
        'to provision.'
      )
    case 'unanswered':
      return (
        `JetStream does not answer about stream ${stream} (${fault.reason}): it may have no ` +
        'leader now. Try again, and look at the servers if it stays so.'
      )
    case 'refused':
      return `NATS refuses to tell of stream ${stream}: ${fault.reason}.`
  }
}
