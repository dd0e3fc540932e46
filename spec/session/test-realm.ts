import { BehaviorSubject, concat, defer, EMPTY, filter, map, type Observable, of, tap } from 'rxjs';
import { bytesOf, type Changeset } from '../../lib/model/changeset.js';
import type {
  OutboxState,
  DownloadPage,
  ServerClockReading,
  SyncedRealm,
  RealmSnapshot,
} from '../../lib/model/sync-port.js';

/** The other members of a client's realm, which do nothing. */
export const silentRealmMember = {
  ...{ realm: 'r', storage: null, name: '' },
  discard: () => EMPTY,
  isWriting: () => false,
  released$: EMPTY,
};

export interface TestRealm extends SyncedRealm {
  /** Writes one changeset of this size. Durable at once. */
  readonly write: (bytes?: number) => void;
  /** The integrated pages. */
  readonly pages: DownloadPage[];
  /** The snapshots that replaced all objects. */
  readonly snapshots: RealmSnapshot[];
  readonly times: ServerClockReading[];
  readonly present: () => OutboxState;
}

/** Creates a realm in memory. `integrating`: the diagram of the time that each page takes. */
export const createTestRealm = ({
  downloaded = 0,
  history = null as string | null,
  integrating = EMPTY,
} = {}): TestRealm => {
  const outbox = new BehaviorSubject<OutboxState>({
    written: 0,
    acknowledged: 0,
    acknowledgedBytes: 0,
    changesets: 0,
    bytes: 0,
  });
  const pages: DownloadPage[] = [];
  const snapshots: RealmSnapshot[] = [];
  let own = false;
  const times: ServerClockReading[] = [];
  let log: Changeset[] = [];
  let cursor = downloaded;
  let known = history;

  const changed = (change: Partial<OutboxState>): void => {
    const { bytes: before, acknowledgedBytes } = outbox.value;
    const bytes = log.reduce((sum, each) => sum + bytesOf(each), 0);
    outbox.next({
      ...outbox.value,
      ...change,
      acknowledgedBytes: acknowledgedBytes + Math.max(0, before - bytes),
      changesets: log.length,
      bytes,
    });
  };
  const doing = (work: () => void): Observable<never> => defer(() => (work(), EMPTY));
  const upTo = (version: number): Observable<never> =>
    doing(() => {
      log = log.filter((each) => each.version > version);
      changed({ acknowledged: Math.max(version, outbox.value.acknowledged) });
    });

  return {
    greeting$: defer(() =>
      of({
        ...{
          replica: 'me',
          history: known,
          downloadedTo: cursor,
          acknowledged: outbox.value.acknowledged,
          includeOwn: own,
        },
        runs: [{ id: 'run', lastVersion: outbox.value.written }],
      }),
    ),
    outbox$: outbox,
    stampOf: (version) => defer(() => of(log.find((each) => each.version === version) ?? null)),
    uploads: (after) => {
      let sent = after;
      return outbox.pipe(
        map(() => log.filter(({ version }) => version > sent)),
        filter((page) => page.length > 0),
        tap((page) => (sent = page.at(-1)?.version ?? sent)),
      );
    },
    integrate: (page) =>
      concat(
        integrating,
        doing(() => {
          pages.push(page);
          cursor = page.upTo;
          own &&= (page.remaining ?? 0) > 0;
        }),
      ),
    replace: (snapshot) =>
      concat(
        integrating,
        doing(() => {
          snapshots.push(snapshot);
          cursor = snapshot.version;
          own = true;
        }),
      ),
    acknowledge: upTo,
    rollBack: (...rejected) => upTo(rejected.at(-1)?.version ?? 0),
    reset: (mode) =>
      doing(() => {
        const isSame = mode === 'keepReplica' && known !== null;
        known = null;
        cursor = 0;
        if (isSame) return;
        log = log.map((each, index) => ({ ...each, version: index + 1 }));
        outbox.next({ ...outbox.value, written: log.length, acknowledged: 0 });
      }),
    claim: () => EMPTY,
    adopt: (id) => doing(() => (known = id)),
    limit: () => EMPTY,
    objectsOf: () => [],
    correct: (reported) => doing(() => times.push(reported)),
    forget: () => EMPTY,
    write: (bytes = 10) => {
      const version = outbox.value.written + 1;
      log = [...log, { version, time: 0, count: 0, body: new Uint8Array(bytes) }];
      changed({ written: version });
    },
    pages,
    snapshots,
    times,
    present: () => outbox.value,
  };
};
