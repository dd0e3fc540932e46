import { defer, type Observable } from 'rxjs';
import { applyOperation } from '../../../lib/merge/object-state.js';
import { operationStampOf } from '../../../lib/merge/timestamp.js';
import type { RejectedChangeset } from '../../../lib/model/changeset.js';
import type { Key } from '../../../lib/model/value.js';
import type { PlacedView } from '../../../lib/model/view.js';
import { createObjects } from '../../../lib/store/objects/objects.js';
import { checkSchema } from '../../../lib/model/schema.js';
import type { TypeChanges } from '../../../lib/store/objects/object-change.js';
import type { Store } from '../../../lib/store/store.js';
import { isMirrored } from '../../../lib/client/tabs/leader-records.js';
import { createHeldStorage } from '../test-kit.js';
import {
  createServer,
  detachedIn,
  greetingOf,
  isIn,
  keysIn,
  openDevice,
  operationsOf,
  schema,
  selectLists,
  statusOf,
  unsentOf,
  viewOf,
  wantedOf,
} from './view-world.js';

/*
 * A device on a storage that stores, fails or loses batches on demand, and a session of it with the model of a server.
 * The server's messages wait in order. Each is applied when the one before is done.
 */

interface Session {
  readonly replica: string;
  /** The view that the server follows; `null` before the first. */
  followed: PlacedView | null;
  position: number;
  uploaded: number;
  readonly inbox: { readonly run: () => Observable<unknown>; readonly nullKeys?: readonly Key[] }[];
  isBusy: boolean;
  last: (() => Observable<unknown>) | null;
}

/** The stored records of the subscriptions, by key. */
const recordsOf = ({ context }: Store) => new Map(context.views!.dump().map((record) => [record.key, record]));

const quiet = { error: () => undefined };
export const taskKeys = ['a', 'b', 'c'] as const;

export const createViewWorld = () => {
  const disk = createHeldStorage();
  const server = createServer();
  let now = 1_000;
  const open = (): Store => openDevice({ storage: disk.storage, now: () => now });
  let store = open();
  disk.hold();
  let session: Session | null = null;
  /** Client resets that are being stored: there is no session meanwhile. */
  let resets = 0;
  const decisions = new Map<string, RejectedChangeset | null>();
  const mirror = createObjects(checkSchema(schema));
  let reported: TypeChanges[] = [];
  /** Keys that were removed for another reason than the view. */
  const otherwiseGone = new Set<Key>();
  let before = new Map<Key, unknown>();
  const watch = (): void => void store.changes$('Task').subscribe((changes) => reported.push(changes));
  watch();

  const connect = async (): Promise<Session> => {
    if (session) return session;
    const { replica, view, downloadedTo, acknowledged } = await greetingOf(store);
    let accepted = acknowledged;
    while (decisions.get(`${replica} ${accepted + 1}`) === null) accepted += 1;
    const followed = view!.number === null ? null : view!;
    session = { replica, followed, position: downloadedTo, uploaded: accepted, inbox: [], isBusy: false, last: null };
    const bound = store;
    session.inbox.push({ run: () => bound.adopt('h') });
    if (accepted > acknowledged) session.inbox.push({ run: () => bound.acknowledge(accepted) });
    return session;
  };

  const disconnect = (): void => {
    session = null;
    viewOf(store).noteDisconnect(false);
  };

  /** `isFiltered`: the answer to a rejection has only the states of objects in the view. */
  const upload = async (isRejected: boolean, isFiltered = false): Promise<boolean> => {
    const { replica, uploaded, inbox, followed } = await connect();
    const next = (await unsentOf(store)).find(({ version }) => version === uploaded + 1);
    if (!next) return false;
    const { version } = next;
    const name = `${replica} ${version}`;
    session!.uploaded = version;
    const at = store;
    let decision = decisions.get(name);
    if (decision === undefined && !isRejected) {
      server.append(replica, next);
      decisions.set(name, null);
      decision = null;
    }
    if (decision === null) {
      inbox.push({ run: () => at.acknowledge(version) });
      return true;
    }
    const keys = [...new Set(operationsOf(next).map(({ key }) => key))];
    const serverStates = keys.map((key) => {
      const state = server.stateAt(server.head()).get(key);
      const isShown = state !== undefined && !(isFiltered && !(followed && isIn(followed, key, state)));
      const shown = isShown ? server.objectAt(server.head(), key).state : null;
      return { type: 'Task', key, state: shown };
    });
    const rejected = {
      version,
      code: 'not-permitted',
      writes: [{ type: 'Task', key: keys[0]!, reason: 'no' }],
      serverStates,
    };
    decisions.set(name, rejected);
    const nullKeys = serverStates.flatMap(({ key, state }) => (state === null ? [key] : []));
    inbox.push({ run: () => at.rollBack(rejected), nullKeys });
    return true;
  };

  const page = async (): Promise<boolean> => {
    const { followed, position, replica, inbox } = await connect();
    if (!followed || position === server.head()) return false;
    const given = server.pageAfter(followed, position, replica);
    session!.position = given.upTo;
    const at = viewOf(store);
    inbox.push({ run: () => at.integrate(given) });
    return true;
  };

  const subscribe = async (isResync: boolean, rejects: number): Promise<void> => {
    const { followed, position, replica, inbox } = await connect();
    const wanted = await wantedOf(store);
    const rejected = wanted.filters.filter((_, index) => index === rejects);
    const placed = { ...wanted, filters: wanted.filters.filter((each) => !rejected.includes(each)) };
    const members =
      isResync || !followed ? server.membersOf(placed) : server.differenceTo(placed, followed, position, replica);
    session!.followed = placed;
    session!.position = members.upTo;
    const at = viewOf(store);
    const answer = {
      number: placed.number!,
      objects: members.objects.length,
      rejections: rejected.map(({ id }) => ({ id, code: 'no', text: 'no' })),
    };
    const run = () => {
      at.noteAnswer(answer);
      return at.place(members);
    };
    inbox.push({ run });
  };

  const apply = (message: () => Observable<unknown>): void => {
    const current = session!;
    current.isBusy = true;
    defer(message).subscribe({
      complete: () => (current.isBusy = false),
      error: () => {
        if (session === current) disconnect();
      },
    });
  };

  const deliver = async (): Promise<boolean> => {
    const current = await connect();
    const message = current.isBusy ? undefined : current.inbox.shift();
    if (!message) return false;
    for (const key of message.nullKeys ?? []) otherwiseGone.add(key);
    current.last = message.run;
    apply(message.run);
    return true;
  };

  const finish = (): boolean => {
    const batches = disk.begun.map(({ changes }) => changes);
    if (disk.finish() === 0) return false;
    for (const changes of batches) mirror.mirror(changes.filter(isMirrored));
    return true;
  };

  /** Checks what readers see, and that nothing that is unsent is lost. */
  const check = async (): Promise<void> => {
    const twin = openDevice({ storage: disk.inner });
    const after = new Map<Key, unknown>(taskKeys.map((key) => [key, store.get('Task', key)]));
    expect(keysIn(store)).toBe(keysIn(twin));
    for (const key of taskKeys) expect(store.get('Task', key)).toEqual(twin.get('Task', key));
    const own = ({ view, ...rest }: Awaited<ReturnType<typeof greetingOf>>) => ({ ...rest, view, runs: null });
    expect(own(await greetingOf(store))).toEqual(own(await greetingOf(twin)));
    expect(statusOf(store).placed).toEqual(statusOf(twin).placed);
    expect(recordsOf(store)).toEqual(recordsOf(twin));
    const isTombstone = (key: Key): boolean => twin.context.objects.latestState('Task', key) !== undefined;
    const expected = { inserted: new Set<Key>(), modified: new Set<Key>(), deleted: new Set<Key>() };
    const left = new Set<Key>();
    for (const key of taskKeys) {
      const [was, is] = [before.get(key), after.get(key)];
      if (was === is) continue;
      expected[was === undefined ? 'inserted' : is === undefined ? 'deleted' : 'modified'].add(key);
      if (is === undefined && !isTombstone(key)) left.add(key);
    }
    const isAny = taskKeys.some((key) => before.get(key) !== after.get(key));
    expect(reported.map(({ left: _, ...sets }) => sets)).toEqual(isAny ? [expected] : []);
    const byView = (keys: Iterable<Key>) => [...keys].filter((key) => !otherwiseGone.has(key)).sort();
    expect(byView(reported.flatMap((changes) => [...changes.left]))).toEqual(byView(left));
    const mirrored = mirror.takeChanges().get('Task');
    expect(byView(mirrored?.left ?? [])).toEqual(byView(left));
    expect(mirror.views('Task').length).toBe(keysIn(store).length);
    for (const key of taskKeys) expect(mirror.view('Task', key)).toEqual(after.get(key));
    before = after;
    reported = [];
    if (disk.begun.length === 0) otherwiseGone.clear();
    await checkUnsent(twin);
  };

  const checkUnsent = async (twin: Store): Promise<void> => {
    const { replica } = await greetingOf(twin);
    const touched = new Set<Key>();
    for (const changeset of await unsentOf(twin)) {
      operationsOf(changeset).forEach((operation, index) => {
        touched.add(operation.key);
        const state = twin.context.objects.latestState('Task', operation.key);
        const next = applyOperation(state, operation, operationStampOf(changeset, replica, index));
        expect(next).toBe(state);
      });
    }
    expect((await detachedIn(disk.inner)).filter((key) => !touched.has(key))).toEqual([]);
  };

  /** Does nothing while there is no session. */
  const inSession =
    <A extends readonly unknown[], R>(act: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R | false> =>
      resets > 0 ? false : act(...given);

  return {
    server,
    store: () => store,
    tick: () => (now += 1),
    edit: (lists: readonly string[]) => selectLists(store, ...lists).subscribe(quiet),
    upload: inSession(upload),
    page: inSession(page),
    subscribe: inSession(subscribe),
    deliver: inSession(deliver),
    finish,
    check,
    repeat: () => {
      if (session && !session.isBusy && session.last) apply(session.last);
    },
    /** The app deletes an object. It may leave in the same batch, and has then been deleted before. */
    noteDeleted: (key: Key) => void otherwiseGone.add(key),
    fail: () => disk.fail(),
    crash: () => {
      disk.begun.splice(0);
      session = null;
      resets = 0;
      store = open();
      before = new Map(taskKeys.map((key) => [key, store.get('Task', key)]));
      watch();
    },
    reset: (mode: Parameters<Store['reset']>[0]) => {
      session = null;
      for (const key of taskKeys) otherwiseGone.add(key);
      resets += 1;
      const of = store;
      const end = (): void => {
        if (of === store) resets -= 1;
        session = null;
      };
      store.reset(mode).subscribe({ complete: end, error: end });
    },
    detached: () => detachedIn(disk.inner),
  };
};

export type ViewWorld = ReturnType<typeof createViewWorld>;
