/** The door of `@tidegate/client`: what applications import, and each type that this mentions. */
/// <reference lib="esnext.disposable" preserve="true" />
export {
  Channel,
  type ChannelEvent,
  type PublicationEvent,
  type TypedPublication,
} from './channel.js'
export type { Clock } from './clock.js'
export type { TokenProvider } from './credentials.js'
export type { ParseJson, PollPace } from './event-stream-connection.js'
export { EventStreamTransport } from './event-stream-transport.js'
export type { FrameCodec } from './frame-codec.js'
export { gapSentence } from './gap-sentence.js'
export type { HistoryOptions, HistoryPage, Published, PublishOptions } from './http-calls.js'
export { LongPollTransport, longPollPace, shortPollPace } from './long-poll-transport.js'
export { localPositions, memoryPositions, Positions, type PositionStore } from './position-store.js'
export type { ReadOptions, WhenFull } from './publication-buffer.js'
export type { Pace } from './reconnect-pace.js'
export type { SessionState } from './session.js'
export { TidegateError, type Refusal, type TidegateErrorDetails } from './tidegate-error.js'
export { Tidegate, type StateEvent, type TidegateEvent, type TidegateOptions } from './tidegate.js'
export type {
  EndedEvent,
  GapEvent,
  ProblemEvent,
  Publication,
  SubscribedEvent,
  Transport,
  TransportName,
} from './transport.js'
export {
  WebSocketTransport,
  type OpenSocket,
  type Socket,
  type SocketClose,
} from './websocket-transport.js'
export type { GapReason } from '../shared/codes.js'
export type { GapFrame, PublicationFrame } from '../shared/frames.js'
