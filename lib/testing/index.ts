/** What this library tests itself with, for specs of its users: Jest, Vitest, Jasmine, or any runner of your own. */
export { marbles, type MarbleHelpers, type MarbleOptions } from './marbles.js';
export { MarbleError } from './failure.js';
export type { Assert } from './judge.js';
export { connectionLetters, stateLetters, syncLetters, type StateName } from './letters.js';
export type { Network, NetworkOptions } from './network.js';
export type { ScriptedTokens } from './tokens.js';
export { scriptedServer, type Says, type ScriptedServer, type ServerScript } from './script.js';
export { accepted, bound, download, refused, wireError } from './script.js';
export { fakeSession, type FakeSession, type FakeStreams, type SessionCommand } from './fake.js';
export { record, type Recordable, type Recording, type RecordOptions } from '../index.js';
export { play, type Played, type PlayedStreams } from './play.js';
export { RecordingError } from './reading.js';
export type { PlayedNetwork } from './weather.js';
export type { SuiteRunner } from './assertions.js';
export { dialSuite, type DialCase, type DialEnd } from './dial.js';
export { storageSuite } from './storage.js';
