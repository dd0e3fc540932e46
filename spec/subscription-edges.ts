import type { Allowed } from './architecture-rules.js';

/** Places where `lib` may subscribe. */
export const subscriptionEdges: readonly Allowed[] = [
  {
    where: 'lib/session/state/session-store.ts startWithValue',
    why: 'the subject of a session is created for its first observer',
  },
  {
    where: 'lib/session/binding/session.ts RunningSession',
    why: 'a session runs whether or not an app reads it; its effects end when it is released',
  },
  {
    where: 'lib/session/binding/bind-session.ts SessionBinding',
    why: 'a session is bound whether or not an app reads it; the pipeline ends when it is bound',
  },
  {
    where: 'lib/session/binding/stall-watchdog.ts StallWatch',
    why: 'a stall is handled until something moves or the connection ends',
  },
  {
    where: 'lib/storage/reopening-storage.ts',
    why: 'the loss of a storage is watched without operators, because every open realm has a storage',
  },
  {
    where: 'lib/storage/batch-recovery.ts createBatchRecovery',
    why: 'every write passes here; the stream of a batch runs with that of its subscriber',
  },
  {
    where: 'lib/storage/slow-call-watch.ts createSlowCallWatch',
    why: 'every write passes here; the call runs with the stream of its subscriber',
  },
  {
    where: 'lib/session/conversation/message-work.ts',
    why: 'operators for each message took a third of a reader’s time; the work ends with the conversation',
  },
  {
    where: 'lib/session/recording/record.ts record',
    why: 'the recorder collects events before the app reads the text, until the app calls `stop`',
  },
  {
    where: 'lib/store/commit/group-commit.ts createGroupCommit',
    why: 'a write is under way from the moment it is called, whether or not the app awaits it',
  },
  {
    where: 'lib/store/commit/compact-blocks.ts compactBlocks',
    why: 'no app asks for this maintenance, and its failure changes nothing',
  },
  { where: 'lib/model/operators.ts observe', why: 'it is the edge of those who call it, and throws an error' },
  {
    where: 'lib/model/operators.ts runToItsEnd',
    why: 'it is for work that must run to its end, whether or not the app awaits it',
  },
  {
    where: 'lib/client/tabs/tab-leader.ts TabLeader',
    why: 'the session and the lives of all followers are watched while the tab leads',
  },
  {
    where: 'lib/client/tabs/lead-lock.ts LeadLock',
    why: 'the lock of the leader is requested or held until the realm is closed in the tab',
  },
  {
    where: 'lib/client/tabs/tab-roles.ts TabRoles',
    why: 'the tabs and the page are watched until the realm is closed, and opening a store cannot be cancelled',
  },
  {
    where: 'lib/client/realm-registry.ts forgetOnRelease',
    why: 'the subscriber that opened the realm first may have unsubscribed before the realm is released',
  },
  { where: 'lib/client/open-realm.ts openRealm$', why: 'opening a realm cannot be cancelled' },
  {
    where: 'lib/client/open-realm.ts closeWhenOpened',
    why: 'a realm that the app abandoned while it opened is closed as soon as it is open',
  },
  {
    where: 'lib/client/running-realm.ts createLocalRealm',
    why: 'the storage is closed after the last handle, whether or not the app awaits it',
  },
  {
    where: 'lib/client/synced-realm.ts createSyncedRealm',
    why: 'the storage is closed when the session ends, for whatever reason',
  },
  {
    where: 'lib/client/discard-realms.ts runToEnd',
    why: 'a log-out discards all its data, whether or not the app awaits it',
  },
  {
    where: 'lib/session/connection/idle-triggers.ts listenWhileIdle',
    why: 'there is no session that could subscribe, and the next session must not wait',
  },
  {
    where: 'lib/transport/socket.ts socketWireOf',
    why: 'sent messages go into the socket until the received stream is unsubscribed',
  },
  { where: 'lib/transport/wire.ts wireOf', why: 'sent messages flow as long as the received stream has a subscriber' },
  { where: 'lib/transport/wire.ts acceptorOf', why: 'received messages flow until the receiver unsubscribes' },
  {
    where: 'lib/log/follow-log.ts',
    why: 'the pages of a log are read one at a time, each when the log grows or the reader has room',
  },
  {
    where: 'lib/server/realms/realms.ts createRealmHolds',
    why: 'a realm without sessions is closed when its uploads are in its history, and no client waits for that',
  },
  {
    where: 'lib/server/realms/server-realm.ts OpenRealm',
    why: 'a realm works and is compacted until it is closed, and an operator costs a kilobyte in each of ten thousand',
  },
  {
    where: 'lib/server/connections/server-connection.ts PlainConnection',
    why: 'the check of a token runs until the connection ends',
  },
  {
    where: 'lib/server/sessions/server-session.ts BoundSession',
    why: 'a bind runs until the session is unbound, and an upload whether or not the client waits',
  },
  {
    where: 'lib/server/sessions/download-feed.ts createSnapshotFetch',
    why: 'a page of objects is read when the client fetches it',
  },
  {
    where: 'lib/server/sessions/history-followers.ts',
    why: 'a hundred sessions of a realm follow its history together, and share its pages',
  },
  {
    where: 'lib/server/sessions/history-reader.ts',
    why: 'a page that is not in memory is sent when it was read, until the session ends',
  },
  {
    where: 'lib/server/views/view-router.ts ViewRouter',
    why: 'it follows the history for ten thousand sessions with plain state',
  },
  {
    where: 'lib/server/scope/scope-watch.ts ScopeWatch',
    why: 'each answer of `scope` changes what a session may send, until the session ends',
  },
  {
    where: 'lib/server/views/task-runner.ts TaskRunner',
    why: 'a session reads the storage when its client or a change asks for it, until the session ends',
  },
  {
    where: 'lib/testing/scripted-server.ts reportFailure',
    why: 'a fault in a script must reach the test, and RxJS reports what a handler throws',
  },
  {
    where: 'lib/transport/http-handler.ts createResponder',
    why: 'a response is computed until the HTTP client disconnects',
  },
];
