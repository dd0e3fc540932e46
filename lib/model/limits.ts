import { InvalidArgumentError } from './errors.js';

/** All limits of the library with units and reasons. Client and server share them. Limits that are options say so. */
export const limits = {
  /** Bytes of one frame. A page is far smaller; only a single huge changeset comes near. Option on both ends. */
  frameBytesMax: 8 * 1024 * 1024,
  /**
   * Values of one frame that a client sends, and of one changeset's body: elements of arrays, and names and values of
   * records, counted while they are read. A one-byte value takes about 100 bytes of memory and 0.1 µs, so the maximum
   * is read in less than 50 ms and is twice what a list of `elementsMax` needs.
   */
  frameValuesMax: 250_000,
  /** Values of one frame that a server sends: the answer to a rejected changeset names each of its objects twice. */
  answerValuesMax: 2_000_000,
  /**
   * Unsent bytes at which a socket is closed, because its users cannot wait for it. The windows of the sessions bound
   * the bytes in flight; more than 64 sessions at once do not sync over a connection that cannot take them. Option of
   * the server.
   */
  socketBacklogBytesMax: 64 * 1024 * 1024,
  /** Bytes after which a page of changesets ends: parsed within an animation frame, large beside its header. */
  pageBytesMax: 128 * 1024,
  /**
   * Bytes of all changesets of an upload except the last, above which a server closes the connection. A server checks
   * them within 50 ms; clients that count differently have room.
   */
  uploadBytesMax: 4 * 128 * 1024,
  /** Changesets of a page: one storage batch of this size blocks the thread for a few milliseconds only. */
  pageChangesetsMax: 1_000,
  /** Pages in flight without an answer, each way and session: a megabyte hides 100 ms of round trip at 80 Mbit/s. */
  pagesInFlightMax: 8,
  /** Bytes of the newest log entries kept in memory, so that live followers need not ask the storage. */
  logTailBytesMax: 4 * 1024 * 1024,
  /** Characters of a storage key: every engine takes this many, and a realm's name and a primary key have room. */
  storageKeyCharsMax: 2_048,
  /**
   * Bytes of waiting batches that are written as one. With larger groups, syncing the disk is no longer the main cost
   * of a write.
   */
  storageGroupBytesMax: 256 * 1024,
  /** Changesets that one batch removes from the outbox: a storage deletes this many without blocking. */
  trimEntriesMax: 10_000,
  /** Bytes of one changeset's body: it has to fit a frame, with room for the rest of the message. */
  changesetBytesMax: 7 * 1024 * 1024,
  /** Operations of one changeset: a server checks and merges this many within 100 ms. Option of the server. */
  operationsMax: 100_000,
  /**
   * MessagePack values of one changeset's body, names in records included: enough for the longest list or dictionary at
   * once, and read within 100 ms. Option of the server.
   */
  valuesMax: 310_000,
  /**
   * Bytes of one object's state: twice the largest changeset, so that an object can be written in several. Option of
   * the server.
   */
  objectBytesMax: 16 * 1024 * 1024,
  /** Bytes of a stored object above which the server checks its size with each write. */
  largeObjectBytes: 1024 * 1024,
  /** Bytes of a server's frame above which it is sent in parts, with messages of other sessions in between. */
  partBytesMax: 1024 * 1024,
  /**
   * Bytes of a server's message that is sent in parts: several of the largest objects, and as much as a socket may hold
   * unsent.
   */
  messageBytesMax: 64 * 1024 * 1024,
  /**
   * Runs that a replica sends in a bind, and that a server remembers of the replica: three years with one start a day.
   */
  runsMax: 1_000,
  /** Characters of the id of a run. */
  runIdCharsMax: 32,
  /**
   * Storages that a client remembers, so that a log-out can clear those of closed realms. The latest ones are kept: ten
   * times as many as one connection takes realms.
   */
  storagesKnownMax: 10_000,
  /** Sessions on one connection: ten times the realms of the largest app we know. Option of the server. */
  sessionsPerConnectionMax: 1_000,
  /** Characters of a realm's name: it becomes part of a storage key. */
  realmNameCharsMax: 128,
  /** Characters of a token: the header limit of common web servers, where such tokens usually travel. */
  tokenCharsMax: 8 * 1024,
  /**
   * Milliseconds before a reconnect trigger asks the app for a token again. A pending request is not repeated, because
   * refresh tokens may be valid only once. For the same time, the server's errors about a token may concern the
   * previous one.
   */
  tokenGraceMs: 2_000,
  /**
   * Longest wait in milliseconds before a reader asks again for a realm that does not exist yet: a user waits about as
   * long for a screen.
   */
  missingRealmMsMax: 10_000,
  /** Characters of a primary key that is a string: it becomes part of a storage key, at up to nine characters each. */
  keyCharsMax: 200,
  /** Characters of a type's or property's name. */
  nameCharsMax: 64,
  /**
   * Characters of the key of a dictionary entry, or of the key that a set derives from an element: enough for elements
   * that are texts.
   */
  entryKeyCharsMax: 4_096,
  /** Characters of one fractional index of a list position: 20 000 inserts, each between the last two neighbours. */
  positionKeyCharsMax: 4_096,
  /**
   * Nested runs of a list position, each an insert in the middle of the run above. The deepest level has plain keys.
   */
  positionDepthMax: 64,
  /**
   * Elements of one list, set or dictionary. A write of one element stores the whole object, so more elements are
   * better kept as objects.
   */
  elementsMax: 100_000,
  /**
   * Rejected changesets that a realm keeps for its app, the latest ones: as many as a user writes in weeks without a
   * network.
   */
  rejectedKeptMax: 10_000,
  /** Objects of a rejected changeset, with reason or server state: a frame holds as many at about 40 bytes each. */
  rejectedWritesMax: 200_000,
  /**
   * Objects set aside that are reported one by one in `errors$` while a realm is open: a wrong schema must not flood a
   * log.
   */
  setAsideErrorsMax: 100,
  /**
   * Values of each stream that a recording keeps: a day on a network that fails every five minutes, in a text that can
   * be mailed. Option of `record`.
   */
  recordedEventsMax: 500,
  /** Milliseconds after which a long piece of work yields to the event loop: one animation frame. */
  sliceMsMax: 15,
  /**
   * Milliseconds that opening a user's realm waits for the access token that names the user: enough for a cache lookup,
   * not for a request.
   */
  userMsMax: 1_000,
  /** Characters of the text in an error or fault message: enough to read, too few to fill a log. */
  errorTextCharsMax: 500,
  /** Milliseconds of the longest timer: longer ones fire at once, because `setTimeout` takes 32 bits. */
  timerMsMax: 2 ** 31 - 1,
  /** Milliseconds that a stamp may be later than the server's clock. Option of the server. */
  stampAheadMsMax: 24 * 60 * 60 * 1000,
  /**
   * Bytes after which the server ends the batch that several uploads share: a disk syncs this many without a noticeable
   * delay.
   */
  commitBytesMax: 4 * 1024 * 1024,
  /**
   * Bytes of uploads that go into one batch of a history. They are checked and encoded in one event-loop turn, in which
   * no other realm is served.
   */
  uploadBatchBytesMax: 128 * 1024,
  /** Realms that a server has open at once, each with its log tail in memory. Option of the server. */
  realmsOpenMax: 1_000,
  /** Milliseconds in which a new connection must bind a session. Option of the server. */
  bindMsMax: 10_000,
  /** Marks of one session that wait for their pages: more than any screen waits for. */
  marksWaitingMax: 10_000,
  /** Characters of a replica's or a user's id: each becomes part of a stored key or value. */
  idCharsMax: 256,
  /**
   * Bytes of history that the projection may lag behind the head, counted like `headBytes`. A first download carries
   * them besides the objects: few beside the objects, many beside the cost of one merge pass. Option of the server.
   */
  projectionLagBytesMax: 1024 * 1024,
  /**
   * Multiple of `projectionLagBytesMax` at which the projection advances although a client is fetching it. Bounds the
   * rest of the history that may be kept in memory.
   */
  projectionLagTimesMax: 16,
  /**
   * Milliseconds without an upload after which the projection advances, so that uploads do not wait for work that can
   * be done later.
   */
  projectionQuietMs: 250,
  /** Bytes that a stored object counts for besides its state. The same as for a changeset, so both can be compared. */
  objectBytesMore: 32,
  /**
   * Milliseconds without a `fetch` after which a snapshot is no longer kept for its replica: a phone changes networks
   * in less. Option of the server.
   */
  snapshotLeaseMs: 60_000,
  /**
   * Milliseconds that one snapshot is kept for all clients that fetch it: a gigabyte at 3 Mbit/s. Option of the server.
   */
  snapshotHoldMsMax: 45 * 60 * 1000,
  /** Milliseconds that `permit` may take; after that, the client had better try again. Option of the server. */
  permitMsMax: 10_000,
  /** Pending calls of `permit` for one changeset: a database answers about this many lookups side by side. */
  permitsAtOnceMax: 16,
  /**
   * Rejected changesets of one replica that it has not acknowledged: a page of them. The next bind forgets them. Option
   * of the server.
   */
  refusalsPendingMax: 1_000,
  /** Reasons kept of one rejected changeset: more than a user reads. The changeset is rejected as a whole anyway. */
  rejectedReasonsMax: 100,
  /**
   * Milliseconds since it was last seen in which a replica can continue from the history; after that, it starts from a
   * snapshot. Option of the server.
   */
  retentionMs: 30 * 24 * 60 * 60 * 1000,
  /**
   * Bytes of one frame of a connection before its token was checked: a token, and the rest of a bind. Also the bytes
   * per second that such a connection may send.
   */
  unboundFrameBytesMax: 64 * 1024,
  /** Values of one frame before the token was checked: the 1 000 runs of a bind are 3 000. */
  unboundFrameValuesMax: 4_096,
  /**
   * Frames per second before the token was checked, with a burst of twice as many. Above that, the socket is not read
   * for a while.
   */
  unboundFramesPerSecondMax: 8,
  /** Binds that are processed before the token was checked. Further ones wait for the check. */
  unboundBindsMax: 16,
  /** Other messages before the token was checked, and WebSocket pings: a client sends one in 25 s. */
  unboundMessagesMax: 16,
  /** Messages of one connection that wait until its token was checked: a bind of each session. */
  unboundWaitingPerConnectionMax: 1_000,
  /** Messages of all connections that wait until a token was checked: 30 MB. */
  unboundWaitingMax: 100_000,
  /**
   * Connections from one address whose token was not checked yet: a large company that reconnects within a second.
   * Option of the server.
   */
  unboundPerAddressMax: 1_000,
  /**
   * Connections of one user: a person has ten devices, and a program that runs as one user a hundred. Option of the
   * server.
   */
  connectionsPerUserMax: 250,
  /** Sessions of one user, on all connections of that user. Option of the server. */
  sessionsPerUserMax: 5_000,
  /**
   * Realms that one user has open: twice those of the largest app we know, a quarter of `realmsOpenMax`. Option of the
   * server.
   */
  realmsPerUserMax: 250,
  /**
   * Frames per second of all connections of one user, with a burst of twice as many. Above that, they are not read for
   * a while. Option of the server.
   */
  framesPerUserPerSecondMax: 5_000,
  /**
   * Bytes per second of all connections of one user, with a burst of twice as many: more than any uplink of a device.
   * Option of the server.
   */
  bytesPerUserPerSecondMax: 16 * 1024 * 1024,
  /**
   * Milliseconds without a write after which a realm may be closed when too many are open. Applies even if its users
   * have no more realms than others.
   */
  realmIdleMs: 5 * 60 * 1000,
  /** Milliseconds between two compactions of a realm: little accumulates in this time. Option of the server. */
  upkeepMs: 60_000,
  /** Changesets that must be removable before the history is trimmed: fewer are not worth a write. */
  trimEntriesMin: 1_000,
  /**
   * Connections from one address: a large company behind one, at 30 KiB each 150 MiB. Behind a proxy, `trustProxy`
   * distinguishes clients. Option of the server.
   */
  connectionsPerAddressMax: 5_000,
  /**
   * WebSocket upgrades per second from one address, with a burst of as many: a large company that reconnects, a third
   * of what one core accepts. Option of the server.
   */
  upgradesPerSecondMax: 1_000,
  /**
   * Milliseconds after which a silent connection is closed. A client pings every 25 s, so five pings are lost. A dead
   * connection would hold back the trimming of its realms. Option of the server.
   */
  silenceMsMax: 150_000,
  /**
   * Binds per second on one connection, with a burst of as many: all of its sessions after a reconnect. Option of the
   * server.
   */
  bindsPerSecondMax: 1_000,
  /**
   * Replicas whose records a server has in memory, bound or not: all clients of a process that reconnect after a
   * network failure; 200 bytes each.
   */
  replicasRememberedMax: 20_000,
  /** Addresses whose rate of upgrades is remembered, 100 bytes each. Above that, the oldest is forgotten. */
  addressesMax: 100_000,
  /**
   * Milliseconds before clients of a server that shuts down reconnect: about the duration of a restart. Option of the
   * server.
   */
  restartMs: 1_000,
  /**
   * Milliseconds over which these reconnects are spread at random, so that clients do not come back all at once. Option
   * of the server.
   */
  restartSpreadMs: 5_000,
  /** Longest delay in milliseconds of a message or disk by `--chaos`: a client stops waiting after a minute. */
  chaosMsMax: 60_000,
  /**
   * Messages that `--chaos` delays at once, in one direction of one connection. With more, the connection breaks. Far
   * fewer pages are in flight.
   */
  chaosHeldMax: 10_000,
  /** Milliseconds in which a server that shuts down must flush: a third of what systemd and Kubernetes wait. */
  drainMsMax: 10_000,
  /** Milliseconds in which a storage must answer a readiness check. */
  readyMsMax: 2_000,
  /** Milliseconds after a failed write in which a server is not ready: a load balancer needs this long to notice. */
  notReadyMs: 10_000,
  /** Milliseconds without a new fetch of public keys for tokens with unknown keys: forged tokens cause no requests. */
  jwksCooldownMs: 30_000,
  /** Milliseconds of work on client messages before other work runs. One frame of `frameValuesMax` takes longer. */
  turnMsMax: 8,
  /** Milliseconds between two log entries about invalid tokens, each with their number. */
  invalidTokensLogMs: 10_000,
  /** Milliseconds after which public keys are fetched again: a withdrawn key is accepted this long. */
  jwksAgeMsMax: 10 * 60 * 1000,
  /** Milliseconds in which a key server must answer. */
  jwksMsMax: 5_000,
  /** Milliseconds that the clocks of the token issuer and of the server may differ. Option of `jwt`. */
  clockToleranceMs: 30_000,
  /** Largest accepted `clockToleranceMs`: five minutes, as Kerberos has it. More would disable expiry. */
  clockToleranceMsMax: 5 * 60 * 1000,
} as const;

const realmName = /^[A-Za-z0-9](?:[A-Za-z0-9._~-]*[A-Za-z0-9_~-])?$/;

export const isRealmName = (name: unknown): name is string =>
  typeof name === 'string' && name.length <= limits.realmNameCharsMax && realmName.test(name);

/**
 * Returns a valid name of a realm: letters, digits and `. _ ~ -`, starting with a letter or digit, not ending in a dot.
 *
 * @throws InvalidArgumentError for any other value.
 */
export const checkRealmName = (name: unknown): string => {
  if (isRealmName(name)) return name;
  throw new InvalidArgumentError(
    'realm',
    `1 to ${limits.realmNameCharsMax} letters, digits, ".", "_", "~" or "-", starting with a letter or digit`,
    name,
  );
};

/**
 * Returns a number that is within its bounds.
 *
 * @throws InvalidArgumentError for any other value.
 */
export const checkNumber = (argument: string, value: unknown, min: number, max: number): number => {
  if (typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(argument, `a number from ${min} to ${max}`, value);
};

/** Whether a value is a plain record of any window: not an array, and not made by a class. */
const isPlainRecord = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
};

/**
 * Returns a plain record that has only known names. Otherwise a misspelt option would be ignored silently.
 *
 * @throws InvalidArgumentError for any other value.
 */
export const checkOptions = <T extends object>(argument: string, value: T, names: readonly (keyof T & string)[]): T => {
  if (!isPlainRecord(value)) throw new InvalidArgumentError(argument, 'a plain record, such as { … }', value);
  for (const name of Object.keys(value)) {
    if (!(names as readonly string[]).includes(name)) {
      throw new InvalidArgumentError(argument, `a record with only the names ${names.join(', ')}`, name);
    }
  }
  return value;
};
