import type { Allowed } from './rules.js';

/** Where `lib` may subscribe. */
export const edges: readonly Allowed[] = [
  {
    where: 'lib/session/mux.ts createMux',
    why: 'a lane hands what its session says to the shared socket; its own teardown lets go',
  },
  {
    where: 'lib/session/machine.ts createMachine',
    why: 'a session runs by itself, read or not; its effects end when it is released',
  },
  {
    where: 'lib/session/recording.ts record',
    why: 'what comes before anybody asks for the text is what the text is for; `stop` lets go',
  },
  {
    where: 'lib/store/commits.ts createCommits',
    why: 'a write is under way from the moment it is called, waited for or not',
  },
  { where: 'lib/client/open-realms.ts whenReleased', why: 'who opened it first may be gone when it is released' },
  { where: 'lib/client/realm.ts openRealm$', why: 'what is opening cannot be called off' },
  { where: 'lib/client/realm.ts closeOnce', why: 'a realm that nobody wants any more is closed once it has opened' },
  { where: 'lib/client/opened.ts local', why: 'the storage is closed behind the last handle, whoever waits for it' },
  {
    where: 'lib/client/opened.ts running',
    why: 'the end of the session is the end of the storage, whoever brings it about',
  },
  {
    where: 'lib/client/discards.ts started',
    why: 'what a log-out discards is discarded, whoever waits for it',
  },
  { where: 'lib/client/opened.ts attend', why: 'a lost storage is brought back whether or not anybody asks how it is' },
  {
    where: 'lib/session/idle-triggers.ts listenWhileIdle',
    why: 'no session is there that could subscribe, and the next one must not wait',
  },
  {
    where: 'lib/transport/socket.ts lineOf',
    why: 'what is said goes into the socket; letting go of what is heard lets go of it',
  },
  { where: 'lib/transport/wire.ts wireOf', why: 'what is said runs as long as somebody hears' },
  { where: 'lib/transport/wire.ts hostOf', why: 'what is heard runs until the ear is let go of' },
  {
    where: 'lib/log/follow.ts',
    why: 'a server has a follower for each of ten thousand sessions, and an operator costs a kilobyte in each',
  },
  { where: 'lib/server/realms.ts holding', why: 'a session holds its realm itself, or all between them would stay' },
  { where: 'lib/server/connection.ts createConnection', why: 'a question about a token runs until the line ends' },
  { where: 'lib/server/session.ts createSession', why: 'an admission runs until the session is left' },
  { where: 'lib/server/session.ts createTalk', why: 'an upload runs from the moment it is heard, waited for or not' },
  { where: 'lib/server/reading.ts createFetching', why: 'a page of objects is read when it is asked for' },
  {
    where: 'lib/testing/script.ts reported',
    why: 'what is wrong in a script has to reach the test, and RxJS tells it of what a handler throws',
  },
  { where: 'lib/transport/respond.ts responding', why: 'an answer runs until the one who asked by HTTP has gone' },
];
