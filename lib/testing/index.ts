/*
 * The public names of `tidemark/testing`: the tools with which this library tests itself, for the tests of apps. They
 * run in Jest, Vitest, Jasmine and every other runner.
 */
export { marbles, type MarbleHelpers, type MarbleOptions } from './marbles.js';
export { MarbleError } from './marble-error.js';
export type { Assert } from './assert-marbles.js';
export { connectionLetters, syncLetters } from '../model/marble-drawing.js';
export { stateLetters, type StateName } from './marble-letters.js';
export type { Network, NetworkOptions } from './network.js';
export type { ScriptedTokens } from './scripted-tokens.js';
export { scriptedServer, type ServerReplies, type ScriptedServer, type ServerScript } from './scripted-server.js';
export { createAccepted, createBound, createDownload, createRejected, createWireError } from './scripted-server.js';
export { fakeSession, type FakeSession, type FakeStreams, type SessionCommand } from './fake-session.js';
export { status, type StatusParts } from './fake-session.js';
export {
  fakeSubscription,
  subscriptionLetters,
  type FakeSubscription,
  type FakeSubscriptionParts,
} from './fake-subscription.js';
export { record, type Recordable, type Recording, type RecordOptions } from '../index.js';
export { play, type Played, type PlayedStreams } from './play.js';
export { RecordingError } from './read-recording.js';
export type { PlayedNetwork } from './recorded-network.js';
export type { SuiteRunner } from './suite-assertions.js';
export { dialSuite, type DialCase, type DialEnd } from './dial-suite.js';
export type { HistoryCase } from './history-case.js';
export { historySuite } from './history-suite.js';
export { storageSuite } from './storage-suite.js';
export type { Addition, History, RejectionRecord, ReplicaRecord } from '../server/history/history.js';
export type { Projection } from '../server/history/projection.js';
export type { Row } from '../server/history/stored-objects.js';
export type { IndexPass, IndexRow, ObjectIndex } from '../server/history/object-index.js';
export type { IndexRange } from '../server/history/index-value.js';
export type { HistoryRecord } from '../server/history/history-record.js';
