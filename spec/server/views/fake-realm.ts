import { BehaviorSubject, defer, filter, of, switchMap, take, tap, type Observable } from 'rxjs';
import type { ObjectState } from '../../../lib/merge/object-state.js';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import type { Version } from '../../../lib/model/version.js';
import { HeadObject } from '../../../lib/server/history/head-object.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import { TouchWriter } from '../../../lib/server/history/touches.js';
import type { WatchedType } from '../../../lib/server/history/watched-properties.js';
import { HistoryFollowers } from '../../../lib/server/sessions/history-followers.js';
import type { ReadFoundPorts } from '../../../lib/server/views/read-found.js';
import { ViewRouter, type ViewRouterPorts } from '../../../lib/server/views/view-router.js';
import { applyTo, type States } from './view-facts.js';

/** A changeset of a replica. */
export interface FakeChangeset {
  readonly origin: string;
  readonly operations: readonly Operation[];
  /** Whether it was appended while nothing was watched. */
  readonly isUntouched?: boolean;
}

/** Creates a realm in memory whose history a spec writes, with a router. Reads of states can be held. */
export const createFakeRealm = (
  types: ReadonlyMap<string, WatchedType>,
  scheduler: ViewRouterPorts['scheduler'],
  pageMax = Infinity,
) => {
  const records: HistoryRecord[] = [];
  const head$ = new BehaviorSubject<Version>(0);
  const isHeld$ = new BehaviorSubject(false);
  const states: States = new Map();
  /** The states after each version. */
  const folds: States[] = [new Map<string, ObjectState>()];
  const counted = { reads: 0 };
  const log = {
    head$,
    get head() {
      return head$.value;
    },
    page: (after: Version) =>
      defer(() => {
        const entries = records.slice(after, Math.min(head$.value, after + pageMax));
        return of({ entries, upTo: after + entries.length });
      }),
  };
  const watchedProperties = { types };
  const history = {
    ...{ log, watchedProperties, retentionCutoff: 0, retentionCutoffFrom: Infinity },
    projection: { isLarge: () => false, cursor: { objects: 0, bytes: 0 } },
    get bytes() {
      return records.at(-1)?.total ?? 0;
    },
  };
  const readNow = (texts: readonly string[]): Observable<ReadonlyMap<string, HeadObject>> =>
    of(
      new Map(
        texts.flatMap((text) => {
          const state = states.get(text);
          return state === undefined ? [] : [[text, new HeadObject(text, state, null)] as const];
        }),
      ),
    );
  const readSomeObjects = (texts: readonly string[]): Observable<ReadonlyMap<string, HeadObject>> =>
    isHeld$.pipe(
      filter((isHeld) => !isHeld),
      take(1),
      tap(() => (counted.reads += 1)),
      switchMap(() => readNow(texts)),
    );
  const works = { headState: { readSomeObjects }, uploadQueue: { runBetween: <A>(work$: A) => work$ } };
  const followers = new HistoryFollowers(log as never);
  const readWith = ((read: (given: unknown) => unknown) => read(works)) as ViewRouterPorts['readWith'];
  const record = ({ origin, operations, isUntouched = false }: FakeChangeset): void => {
    const version = records.length + 1;
    const stamp = { time: version, count: version * 1_000 };
    const body = encodeOperations(operations);
    const texts = [...new Set(operations.map(({ type, key }) => objectTextOf(type, key)))];
    const before = new Map<string, ObjectState | undefined>(texts.map((text) => [text, states.get(text)]));
    applyTo(states, origin, { ...stamp, body });
    const writer = new TouchWriter();
    texts.forEach((text, place) => {
      const type = operations.find((each) => objectTextOf(each.type, each.key) === text)!.type;
      const watched = types.get(type);
      if (watched) writer.add(place, before.get(text), states.get(text), watched);
    });
    const total = history.bytes + body.byteLength;
    const touches = isUntouched ? {} : { touches: writer.encode() };
    records.push({ version, origin, ...stamp, body, total, ...touches });
    folds.push(new Map(states));
  };
  return {
    states,
    folds,
    counted,
    followers,
    history,
    records,
    /** Reads states, also while reads are held. */
    ports: { history, headState: { readSomeObjects: readNow } } as unknown as ReadFoundPorts,
    head: () => head$.value,
    router: new ViewRouter({ history, followers, readWith, scheduler } as unknown as ViewRouterPorts),
    /** Adds a changeset that the history does not have yet. */
    prepare: record,
    /** Makes the prepared changesets the end of the history. */
    publish: (upTo = records.length): void => head$.next(upTo),
    /** Appends changesets in one batch. `recorded` is called with the version of each before the router is woken. */
    append: (changesets: readonly FakeChangeset[], recorded: (version: Version) => void = () => undefined): void => {
      for (const each of changesets) {
        record(each);
        recorded(records.length);
      }
      head$.next(records.length);
    },
    close: (): void => head$.complete(),
    /** Holds the reads of states, or lets them through. */
    hold: (isHeld: boolean): void => isHeld$.next(isHeld),
  };
};

export type FakeRealm = ReturnType<typeof createFakeRealm>;
