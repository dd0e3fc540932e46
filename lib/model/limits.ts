import { isPlainObject } from './built-ins.js';
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
  /** Bytes of states after which a block of objects ends: few records, but quickly copied when rows become invalid. */
  blockBytesMax: 64 * 1024,
  /** New objects or changesets of one batch from which a client joins them: fewer share a record to no advantage. */
  blockRowsMin: 4,
  /** Largest state of an object that becomes a row of a block: moving larger ones costs more than their own record. */
  blockRowBytesMax: 16 * 1024,
  /** Bytes after which a page of changesets ends: parsed within an animation frame, large beside its header. */
  pageBytesMax: 128 * 1024,
  /** Changesets of a page: one storage batch of this size blocks the thread for a few milliseconds only. */
  pageChangesetsMax: 1_000,
  /** Uploads in flight without an answer, for each session: a megabyte hides 100 ms of round trip at 80 Mbit/s. */
  pagesInFlightMax: 8,
  /** Bytes of downloads of one session without a `received`: as many as eight pages. Option of the server. */
  downloadBytesInFlightMax: 1024 * 1024,
  /** Bytes that a download counts besides its changesets, so that the window also bounds the number of small ones. */
  downloadBytesMore: 1_024,
  /**
   * Bytes of stored downloads after which a client sends `received`: a quarter of the window, so that it never closes.
   */
  receiptBytesMax: 256 * 1024,
  /** Milliseconds after which a client sends `received` for what it has stored: long beside a burst of live changes. */
  receiptMsMax: 1_000,
  /** Bytes of the newest log entries kept in memory, so that live followers need not ask the storage. */
  logTailBytesMax: 4 * 1024 * 1024,
  /** Milliseconds for which a connection must have been open before quick retries: others may break at once again. */
  quickRetryAfterMs: 1_000,
  /** Milliseconds before the first quick retry: a restarting server still closes its sockets. */
  quickRetryFirstMs: 50,
  /** Milliseconds between quick retries: not noticed by a person, and nothing to a server that is up. */
  quickRetryMs: 100,
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
  /** Subscriptions of a realm: a screen or a list each, and a server evaluates all of them for each change. */
  subscriptionsMax: 256,
  /** Characters of the name of a subscription: a path in an app, with an id. */
  subscriptionNameCharsMax: 256,
  /** Bytes of one filter of a subscription: a thousand short ids. */
  filterBytesMax: 16 * 1024,
  /** Bytes of the filters of all subscriptions of a realm: they fit the smallest frame limit that a server can have. */
  filtersBytesMax: 192 * 1024,
  /** Filters in filters of a subscription: deeper than people write, and safe for the stack of a server. */
  filterDepthMax: 16,
  /** Characters of a position in the members of a view: a primary key, and indexed values before it. */
  viewPositionCharsMax: 4_096,
  /** Values to which a filter compares one property: more are better written as a property of the objects. */
  filterValuesMax: 1_000,
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
  /** Characters of a replica's or a user's id: each becomes part of a stored key or value. */
  idCharsMax: 256,
  /** Reasons kept of one rejected changeset: more than a user reads. The changeset is rejected as a whole anyway. */
  rejectedReasonsMax: 100,
  /**
   * Milliseconds since it was last seen in which a replica can continue from the history; after that, it starts from a
   * snapshot. Option of the server.
   */
  retentionMs: 30 * 24 * 60 * 60 * 1000,
  /** Longest delay in milliseconds of a message or disk by `--chaos`: a client stops waiting after a minute. */
  chaosMsMax: 60_000,
  /**
   * Messages that `--chaos` delays at once, in one direction of one connection. With more, the connection breaks. Far
   * fewer pages are in flight.
   */
  chaosHeldMax: 10_000,
  /** Milliseconds in which a server that shuts down must flush: a third of what systemd and Kubernetes wait. */
  drainMsMax: 10_000,
  /** Milliseconds that the clocks of the token issuer and of the server may differ. Option of `jwt`. */
  clockToleranceMs: 30_000,
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

const editLengths = [0, 1, 2];

/** Whether two names differ in one place, in at most two characters. */
const isNear = (one: string, other: string): boolean => {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return editLengths.some((cut) => editLengths.some((add) => one.slice(at + cut) === other.slice(at + add)));
};

/**
 * Returns a plain record that has only known names. Otherwise a misspelt option would be ignored silently.
 *
 * @throws InvalidArgumentError for any other value.
 */
export const checkOptions = <T extends object>(argument: string, value: T, names: readonly (keyof T & string)[]): T => {
  if (typeof value !== 'object' || (value as unknown) === null || !isPlainObject(value))
    throw new InvalidArgumentError(argument, 'a plain record, such as { … }', value);
  for (const name of Object.keys(value)) {
    if (!(names as readonly string[]).includes(name)) {
      const near = names.find((each) => isNear(each.toLowerCase(), name.toLowerCase()));
      throw new InvalidArgumentError(argument, `a record with only the names ${names.join(', ')}`, name, {
        advice: near && `Did you mean ${near}?`,
      });
    }
  }
  return value;
};
