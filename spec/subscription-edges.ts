import type { Allowed } from './architecture-rules.js';

/** Places where `lib` may subscribe. */
export const subscriptionEdges: readonly Allowed[] = [
  {
    where: 'lib/session/connection/mux.ts createMux',
    why: 'a lane hands what its session says to the shared socket; its own teardown lets go',
  },
  {
    where: 'lib/session/state/session-store.ts createSessionStore',
    why: 'a session runs by itself, read or not; its effects end when it is released',
  },
  {
    where: 'lib/session/recording/record.ts record',
    why: 'what comes before anybody asks for the text is what the text is for; `stop` lets go',
  },
  {
    where: 'lib/store/commit/group-commit.ts createGroupCommit',
    why: 'a write is under way from the moment it is called, waited for or not',
  },
  { where: 'lib/client/realm-registry.ts forgetOnRelease', why: 'who opened it first may be gone when it is released' },
  { where: 'lib/client/open-realm.ts openRealm$', why: 'what is opening cannot be called off' },
  {
    where: 'lib/client/open-realm.ts closeWhenOpened',
    why: 'a realm that nobody wants any more is closed once it has opened',
  },
  {
    where: 'lib/client/running-realm.ts createLocalRealm',
    why: 'the storage is closed behind the last handle, whoever waits for it',
  },
  {
    where: 'lib/client/running-realm.ts createSyncedRealm',
    why: 'the end of the session is the end of the storage, whoever brings it about',
  },
  {
    where: 'lib/client/discard-realms.ts runToEnd',
    why: 'what a log-out discards is discarded, whoever waits for it',
  },
  {
    where: 'lib/client/running-realm.ts watchHealth',
    why: 'a lost storage is brought back whether or not anybody asks how it is',
  },
  {
    where: 'lib/session/connection/idle-triggers.ts listenWhileIdle',
    why: 'no session is there that could subscribe, and the next one must not wait',
  },
  {
    where: 'lib/transport/socket.ts socketWireOf',
    why: 'what is said goes into the socket; letting go of what is heard lets go of it',
  },
  { where: 'lib/transport/wire.ts wireOf', why: 'what is said runs as long as somebody hears' },
  { where: 'lib/transport/wire.ts acceptorOf', why: 'what is heard runs until the ear is let go of' },
  {
    where: 'lib/log/follow-log.ts',
    why: 'a server has a follower for each of ten thousand sessions, and an operator costs a kilobyte in each',
  },
  {
    where: 'lib/server/realms/realms.ts holdRealm',
    why: 'a session holds its realm itself, or all between them would stay',
  },
  {
    where: 'lib/server/connections/server-connection.ts createServerConnection',
    why: 'a question about a token runs until the line ends',
  },
  {
    where: 'lib/server/sessions/server-session.ts createServerSession',
    why: 'an admission runs until the session is left',
  },
  {
    where: 'lib/server/sessions/server-session.ts createSessionHandlers',
    why: 'an upload runs from the moment it is heard, waited for or not',
  },
  {
    where: 'lib/server/sessions/download-feed.ts createSnapshotFetch',
    why: 'a page of objects is read when it is asked for',
  },
  {
    where: 'lib/testing/scripted-server.ts reportFailure',
    why: 'what is wrong in a script has to reach the test, and RxJS tells it of what a handler throws',
  },
  {
    where: 'lib/transport/http-handler.ts createResponder',
    why: 'an answer runs until the one who asked by HTTP has gone',
  },
];
