/** The door of `@tidegate/client`: what applications import, and each type that this mentions. */
export { Channel, type ChannelEvent, type ReadOptions, type TypedPublication } from './channel.js'
export type { Clock } from './clock.js'
export {
  EventStreamTransport,
  type EventStream,
  type OpenEventStream,
  type StreamEvent,
} from './event-stream-transport.js'
export { gapSentence } from './gap-sentence.js'
export type { HistoryOptions, HistoryPage, Published, PublishOptions } from './http-calls.js'
export {
  LongPollTransport,
  longPollPace,
  shortPollPace,
  type PollPace,
} from './long-poll-transport.js'
export type { Pace } from './reconnect-pace.js'
export type { SessionState } from './session.js'
export { TidegateError, type TidegateErrorDetails } from './tidegate-error.js'
export { Tidegate, type StateEvent, type TidegateEvent, type TidegateOptions } from './tidegate.js'
export type {
  ClosedEvent,
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  GapEvent,
  ProblemEvent,
  Progress,
  Publication,
  RecoveredEvent,
  SubscribedEvent,
  Transport,
  TransportName,
  WireEvent,
} from './transport.js'
export {
  WebSocketTransport,
  type OpenSocket,
  type Socket,
  type SocketClose,
} from './websocket-transport.js'
export type { GapReason } from '../shared/codes.js'
export type { GapFrame, PublicationFrame } from '../shared/frames.js'
