import { InvalidArgumentError } from './errors.js';

/** Every bound of the library with its reason. Both ends import this; each is an option where it says so. */
export const limits = {
  /** Bytes of one frame. A page is far smaller; only a single huge changeset comes near. Option on both ends. */
  frameBytesMax: 8 * 1024 * 1024,
  /**
   * Values of one frame that a client sends, and of one changeset's body: elements of arrays, and names and values of
   * records, counted while they are read. A value of one byte takes some hundred bytes and a tenth of a microsecond: so
   * many are read in less than 50 ms. A list of `elementsMax` is twice as many.
   */
  frameValuesMax: 250_000,
  /** Values of one frame that a server sends: a refusal names each object of a changeset twice. */
  answerValuesMax: 2_000_000,
  /**
   * Unsent bytes with which a socket ends: nothing above can wait for it, and what is under way is bound by the windows
   * of the sessions; more than 64 of them at once do not sync over a line that cannot take this. Option of the server.
   */
  socketBacklogBytesMax: 64 * 1024 * 1024,
  /**
   * Bytes after which a page of changesets ends: small beside a frame of animation's parsing, large beside its header.
   */
  pageBytesMax: 128 * 1024,
  /**
   * Bytes of all changesets of an upload but the last, from which on a server hangs up: what it checks in a twentieth
   * of a second, and room for who counts them otherwise.
   */
  uploadBytesMax: 4 * 128 * 1024,
  /** Changesets a page: what one storage batch takes without holding up the thread for more than some milliseconds. */
  pageChangesetsMax: 1_000,
  /** Pages on their way without an answer, each way and session: a megabyte hides 100 ms of round trip at 80 Mbit/s. */
  pagesInFlightMax: 8,
  /** Bytes of the newest log entries kept in memory, so that live followers need not ask the storage. */
  logTailBytesMax: 4 * 1024 * 1024,
  /** Characters of a storage key: what every engine takes, and room for a realm's name and a primary key. */
  storageKeyCharsMax: 2_048,
  /** Bytes of waiting batches that are written as one: past this, syncing is no longer what a write costs. */
  storageGroupBytesMax: 256 * 1024,
  /** Changesets that one batch takes out of the outbox: what a storage batch deletes without holding up the thread. */
  trimEntriesMax: 10_000,
  /** Bytes of one changeset's body: it has to fit a frame, with room for the rest of the message. */
  changesetBytesMax: 7 * 1024 * 1024,
  /** Operations of one changeset: what a server checks and merges within a tenth of a second. Option of the server. */
  operationsMax: 100_000,
  /**
   * MessagePack values of one changeset's body, names in records included: the longest list or dictionary at once, and
   * what is read within a tenth of a second. Option of the server.
   */
  valuesMax: 310_000,
  /**
   * Bytes of one object's state: twice the largest changeset, so that an object can be written in several. Option of
   * the server.
   */
  objectBytesMax: 16 * 1024 * 1024,
  /** Bytes of a stored object from which on the server looks at its size with each write. */
  largeObjectBytes: 1024 * 1024,
  /** Bytes of a server's frame after which it is sent in parts: other sessions' messages go in between. */
  partBytesMax: 1024 * 1024,
  /**
   * Bytes of a server's message that comes in parts: some of the largest objects, and what a socket may hold unsent.
   */
  messageBytesMax: 64 * 1024 * 1024,
  /** Runs that a replica says in a bind, and that a server remembers of it: three years of a start a day. */
  runsMax: 1_000,
  /** Characters of the id of a run. */
  runIdCharsMax: 32,
  /**
   * Storages that a client remembers, so that a log-out can clear those of closed realms: the latest ones; ten times as
   * many realms as one connection takes.
   */
  storagesKnownMax: 10_000,
  /** Sessions on one connection: ten times the realms of the largest app we know. Option of the server. */
  sessionsPerConnectionMax: 1_000,
  /** Characters of a realm's name: it becomes part of a storage key. */
  realmNameCharsMax: 128,
  /** Characters of a token: the header limit of common web servers, where such tokens usually travel. */
  tokenCharsMax: 8 * 1024,
  /**
   * Milliseconds before "try now" asks the app for a token again: a question that is on its way is not asked twice,
   * because tokens for renewal may be good for one answer only. As long, what the server says of a token may be of the
   * one before.
   */
  tokenGraceMs: 2_000,
  /**
   * Milliseconds after which a reader asks again at the latest for a realm that nobody has made yet: what people wait
   * for on a screen.
   */
  missingRealmMsMax: 10_000,
  /** Characters of a primary key that is a string: it becomes part of a storage key, at up to nine characters each. */
  keyCharsMax: 200,
  /** Characters of a type's or property's name. */
  nameCharsMax: 64,
  /**
   * Characters of the key of a dictionary's entry, or of what stands for a set's element: a whole element of text is
   * one.
   */
  entryKeyCharsMax: 4_096,
  /**
   * Characters of one fractional index of a place in a list: some 20 000 inserts, each between the last two neighbours.
   */
  positionKeyCharsMax: 4_096,
  /**
   * Runs in runs that a place in a list may be in: each takes an insert in the middle of the last one. At the bottom
   * plain keys go on.
   */
  positionDepthMax: 64,
  /** Elements of one list, set or dictionary: a write of one stores the object, so more are better kept as objects. */
  elementsMax: 100_000,
  /**
   * Refused changesets that a realm keeps for its app, the latest ones: what a user wrote in weeks without a network,
   * should a right be taken away meanwhile.
   */
  rejectedKeptMax: 10_000,
  /**
   * Objects that a refused changeset touched, each with its reason or what stands: what a frame holds at some forty
   * bytes each.
   */
  rejectedWritesMax: 200_000,
  /**
   * Objects that are set aside, each with an error of its own in `errors$`, while a realm is open: a schema that fits
   * nothing must not flood a log.
   */
  setAsideErrorsMax: 100,
  /**
   * Values of each stream that a recording keeps: a day of a network that is gone every five minutes, in a text that
   * can be mailed. Option of `record`.
   */
  recordedEventsMax: 500,
  /**
   * Milliseconds of work after which a long piece of it gives way to whatever else waits for the event loop: a frame of
   * animation.
   */
  sliceMsMax: 15,
  /**
   * Milliseconds that opening a realm which belongs to a user waits for the access token that says who asks: a look
   * into a cache, not a request.
   */
  userMsMax: 1_000,
  /** Characters of the text in an error or fault message: enough to read, too few to fill a log. */
  errorTextCharsMax: 500,
  /** Milliseconds: longer timers fire at once, because `setTimeout` takes 32 bits. */
  timerMsMax: 2 ** 31 - 1,
  /** How far ahead of the server's clock a stamp may be, in milliseconds. Option of the server. */
  stampAheadMsMax: 24 * 60 * 60 * 1000,
  /** Bytes after which the server ends the batch that many uploads share: what a disk syncs without being noticed. */
  commitBytesMax: 4 * 1024 * 1024,
  /**
   * Bytes of uploads that go into one batch of a history: all of it is checked and encoded in one turn, in which no
   * other realm is served.
   */
  uploadBatchBytesMax: 128 * 1024,
  /** Realms that a server has open at once, each with its tail in memory. Option of the server. */
  realmsOpenMax: 1_000,
  /** Milliseconds in which a new connection has to have bound a session. Option of the server. */
  bindMsMax: 10_000,
  /** Marks of one session that wait for their pages: more waits at once than any screen has. */
  marksWaitingMax: 10_000,
  /** Characters of a replica's or a user's id: each becomes part of a stored key or value. */
  idCharsMax: 256,
  /**
   * Bytes of history that the states of a realm's objects may lag behind its head, counted like `headBytes`: what a
   * first download carries besides the objects. Small beside them, large beside what one pass of merging costs. Option
   * of the server.
   */
  projectionLagBytesMax: 1024 * 1024,
  /**
   * Times `projectionLagBytesMax` at which the states go on although somebody fetches them: what may be kept in memory
   * of the rest is bounded by it.
   */
  projectionLagTimesMax: 16,
  /**
   * Milliseconds without an upload after which the states of the objects go on: an upload should not wait for what can
   * be done later.
   */
  projectionQuietMs: 250,
  /**
   * Bytes that a stored object counts for besides its state: its key and what keeps it. As a changeset's, so that both
   * can be compared.
   */
  objectBytesMore: 32,
  /**
   * Milliseconds without a `fetch` after which a snapshot need not be kept for its replica: a phone's change of
   * networks. Option of the server.
   */
  snapshotLeaseMs: 60_000,
  /** Milliseconds that one snapshot is kept for all who fetch it: a gigabyte at 3 Mbit/s. Option of the server. */
  snapshotHoldMsMax: 45 * 60 * 1000,
  /**
   * Milliseconds that `permit` has for an answer: after that whoever waits for it does better to try again. Option of
   * the server.
   */
  permitMsMax: 10_000,
  /**
   * Questions to `permit` that are open at once for one changeset: as many lookups as a database answers side by side.
   */
  permitsAtOnceMax: 16,
  /**
   * Refused changesets of one replica that it has not acknowledged: a page of them, and the next bind forgets them.
   * Option of the server.
   */
  refusalsPendingMax: 1_000,
  /**
   * Reasons that are kept of one refused changeset: more objects than anybody reads of; all of it is refused anyway.
   */
  rejectedReasonsMax: 100,
  /**
   * Milliseconds since it was last seen in which a replica finds what it lacks in the history; then it starts from a
   * snapshot. Option of the server.
   */
  retentionMs: 30 * 24 * 60 * 60 * 1000,
  /**
   * Bytes of one frame of a connection before its token was checked: a token, and what a bind says besides. It is also
   * what such a connection may send a second.
   */
  unboundFrameBytesMax: 64 * 1024,
  /** Values of one frame before that: the 1 000 runs of a bind are 3 000. */
  unboundFrameValuesMax: 4_096,
  /** Frames a second before that, and twice as many at once; then the socket is not read for a while. */
  unboundFramesPerSecondMax: 8,
  /** Binds that are dealt with before that; more wait until it was. */
  unboundBindsMax: 16,
  /** Other messages before that, and pings of the WebSocket: a client sends one in 25 s. */
  unboundMessagesMax: 16,
  /** Messages that wait before that on one connection: a bind of each session. */
  unboundWaitingPerConnectionMax: 1_000,
  /** Messages that wait before that on all connections: 30 MB. */
  unboundWaitingMax: 100_000,
  /**
   * Connections from one address whose token was not checked yet: all of a large company that comes back within a
   * second. Option of the server.
   */
  unboundPerAddressMax: 1_000,
  /**
   * Connections of one user: a person has ten devices, and a program that runs as one user a hundred. Option of the
   * server.
   */
  connectionsPerUserMax: 250,
  /** Sessions of one user, on all his connections. Option of the server. */
  sessionsPerUserMax: 5_000,
  /**
   * Realms that one user has open: twice those of the largest app we know, a quarter of what a server has. Option of
   * the server.
   */
  realmsPerUserMax: 250,
  /**
   * Frames a second of all connections of one user, and twice as many at once; then they are not read for a while.
   * Option of the server.
   */
  framesPerUserPerSecondMax: 5_000,
  /**
   * Bytes a second of all connections of one user, and twice as many at once: more than any uplink of a device. Option
   * of the server.
   */
  bytesPerUserPerSecondMax: 16 * 1024 * 1024,
  /**
   * Milliseconds without a write after which a realm gives way to another one when too many are open, even if its users
   * have no more than others.
   */
  realmIdleMs: 5 * 60 * 1000,
  /**
   * Milliseconds between two looks at what a realm may let go of: often enough that little piles up. Option of the
   * server.
   */
  upkeepMs: 60_000,
  /** Changesets that have to be in nobody's way before the history is trimmed: fewer are not worth a write. */
  trimEntriesMin: 1_000,
  /**
   * Connections from one address: a large company behind one, at 30 KiB each 150 MiB. Behind a proxy, `trustProxy`
   * tells them apart. Option of the server.
   */
  connectionsPerAddressMax: 5_000,
  /**
   * Upgrades a second from one address, and as many at once: all of a large company that comes back, a third of what
   * one core accepts. Option of the server.
   */
  upgradesPerSecondMax: 1_000,
  /**
   * Milliseconds in which a client has to have said something: it pings every 25 s, so five are lost. What holds a line
   * and is not there any more holds back the trimming of its realms. Option of the server.
   */
  silenceMsMax: 150_000,
  /**
   * Binds a second on one connection, and as many at once: all of its sessions after a reconnect. Option of the server.
   */
  bindsPerSecondMax: 1_000,
  /**
   * Replicas whose records a server has in memory, bound or not: what all clients of a process are who come back after
   * their network was gone; 200 bytes each.
   */
  replicasRememberedMax: 20_000,
  /**
   * Addresses whose rate of upgrades is kept in mind: past this the one that came first is forgotten; a hundred bytes
   * each.
   */
  addressesMax: 100_000,
  /**
   * Milliseconds after which clients of a server that goes away call again at the earliest: about what a restart takes.
   * Option of the server.
   */
  restartMs: 1_000,
  /**
   * Milliseconds over which they are spread after that, at random, so that they do not come back all at once. Option of
   * the server.
   */
  restartSpreadMs: 5_000,
  /**
   * Milliseconds that `--chaos` holds up a message or an answer of the disk at most: a client gives up waiting after a
   * minute.
   */
  chaosMsMax: 60_000,
  /**
   * Messages that `--chaos` holds up at once, one way of one line; with more the line breaks. Pages on their way are
   * far fewer.
   */
  chaosHeldMax: 10_000,
  /**
   * Milliseconds in which a server that is asked to end has to have flushed: a third of what systemd and Kubernetes
   * wait at least.
   */
  drainMsMax: 10_000,
  /** Milliseconds that a storage has to answer whether it is there. */
  readyMsMax: 2_000,
  /** Milliseconds after a failed write in which a server calls itself not ready: what a balancer needs to notice. */
  notReadyMs: 10_000,
  /**
   * Milliseconds in which public keys are not read again because a token names an unknown one: forged tokens ask
   * nobody.
   */
  jwksCooldownMs: 30_000,
  /**
   * Milliseconds of work on what clients say, after which what else is ready has its turn: a frame of `frameValuesMax`
   * takes longer, once.
   */
  turnMsMax: 8,
  /** Milliseconds between two lines of the log about refused tokens, each with how many there were. */
  invalidTokensLogMs: 10_000,
  /** Milliseconds after which public keys are read again: how long a key that was withdrawn still opens. */
  jwksAgeMsMax: 10 * 60 * 1000,
  /** Milliseconds that a key server has to answer. */
  jwksMsMax: 5_000,
  /** Milliseconds that the clocks of who signs tokens and of the server may differ. Option of `jwt`. */
  clockToleranceMs: 30_000,
  /** The most that may be asked for: five minutes, as Kerberos has it; more is an expiry that does not expire. */
  clockToleranceMsMax: 5 * 60 * 1000,
} as const;

const realmName = /^[A-Za-z0-9](?:[A-Za-z0-9._~-]*[A-Za-z0-9_~-])?$/;

export const isRealmName = (name: unknown): name is string =>
  typeof name === 'string' && name.length <= limits.realmNameCharsMax && realmName.test(name);

/** Names a realm: letters, digits and `. _ ~ -`, starting with a letter or digit and not ending in a dot. */
export const checkRealmName = (name: unknown): string => {
  if (isRealmName(name)) return name;
  throw new InvalidArgumentError(
    'realm',
    `1 to ${limits.realmNameCharsMax} letters, digits, ".", "_", "~" or "-", starting with a letter or digit`,
    name,
  );
};

/** A whole number of an option within its bounds. */
export const checkNumber = (argument: string, value: unknown, least: number, most: number): number => {
  if (typeof value === 'number' && Number.isFinite(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(argument, `a number from ${least} to ${most}`, value);
};

/** Whether a value is a record as one writes it, of whatever window: no array, and not made by a class. */
const isPlainRecord = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
};

/**
 * Refuses what is no plain record, and names that an options record does not have: a misspelt option is otherwise
 * silence.
 */
export const checkOptions = <T extends object>(argument: string, value: T, names: readonly (keyof T & string)[]): T => {
  if (!isPlainRecord(value)) throw new InvalidArgumentError(argument, 'a plain record, such as { … }', value);
  for (const name of Object.keys(value)) {
    if (!(names as readonly string[]).includes(name)) {
      throw new InvalidArgumentError(argument, `one of ${names.join(', ')}`, name);
    }
  }
  return value;
};
