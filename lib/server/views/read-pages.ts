import { concat, defer, EMPTY, map, of, switchMap, type Observable } from 'rxjs';
import { isAlive } from '../../merge/object-state.js';
import { encodeState } from '../../merge/state-codec.js';
import { limits } from '../../model/limits.js';
import type { History } from '../history/history.js';
import type { OperationSpan } from '../history/operation-spans.js';
import type { RealmWorks } from '../realms/realm-works.js';
import type { Bootstrap, ScanPosition } from './bootstrap.js';
import type { HeadReader } from './head-reader.js';
import { concernedKindOf, type ConcernedObject, type FoundState } from './concerned-objects.js';
import type { FindOperations } from './kept-operations.js';
import { MembersDraft } from './members-draft.js';
import { isLiving, readFound, type FoundObject, type ReadFoundPorts } from './read-found.js';
import type { ServedView } from './served-view.js';
import { changeKindOf, isStaying, sentKindOf, type SentKind, type ViewDifference } from './view-difference.js';
import type { ObjectName } from '../../model/changeset.js';

/** Reads at the head before one that nothing is appended in: each is repeated if the head has moved. */
const roundsMax = 3;

/** Objects that were read at the head. */
export interface ReadPage {
  readonly draft: MembersDraft;
  /** Whether all objects were read. Otherwise more follow, and the page need not be of one version. */
  readonly isWhole: boolean;
}

/**
 * Reads a whole page exactly at the head of the history, when the collector has received everything up to it. Repeats
 * an attempt if the head has moved, and in the end lets nothing be appended meanwhile. Emits once and completes. Errors
 * with a `StorageError`.
 */
export const readExactly = (
  works: Pick<RealmWorks, 'uploadQueue'>,
  collector: HeadReader,
  attempt: () => Observable<ReadPage>,
  round = 0,
): Observable<ReadPage> => {
  const isLast = round >= roundsMax;
  const attempt$ = concat(
    collector.untilHead(isLast),
    defer(() => {
      const { pages } = collector;
      const isExact = (): boolean => collector.pages === pages && collector.isAtHead;
      return attempt().pipe(map((page) => (!page.isWhole || isExact() ? page : null)));
    }),
  );
  return (isLast ? works.uploadQueue.runBetween(attempt$) : attempt$).pipe(
    switchMap((page) => (page === null ? readExactly(works, collector, attempt, round + 1) : of(page))),
  );
};

const foundStateOf = (view: ServedView, name: ObjectName, found: FoundObject | null): FoundState => {
  if (found === null) return 'none';
  if (!isLiving(found)) return 'dead';
  return view.hasState(name, found.state) ? 'in' : 'out';
};

/** Returns what a user with a scope is sent of a deleted object: values after the delete may be hidden ones. */
const tombstoneBytesOf = ({ state: { died } }: FoundObject): Uint8Array =>
  encodeState({ born: null, died, values: {}, laterStamps: null, collections: null });

const addSent = (
  draft: MembersDraft,
  kind: SentKind,
  text: string,
  name: ObjectName,
  found: FoundObject | null,
  { scope }: ServedView,
): void => {
  if (kind === 'state' && found !== null && scope !== null && !isAlive(found.state)) {
    if (found.state.died === null) draft.addLeave(text, name);
    else draft.addState(text, name, tombstoneBytesOf(found));
  } else if (kind === 'state' && found !== null) draft.addState(text, name, found.bytes);
  else if (kind === 'nothing') draft.remove(text);
  else draft.addLeave(text, name);
};

/** Whether changes are too large for a page that a client has not asked for. One object always fits. */
const isTooLarge = ({ size, bytes }: MembersDraft): boolean =>
  size > limits.pageChangesetsMax || (size > 1 && bytes > limits.pageBytesMax);

/**
 * Whether the operations on an object may be sent to a user with a scope. Not several writes of a changeset: the object
 * may have been hidden between them.
 */
const isVisibleAlways = (spans: readonly OperationSpan[]): boolean => {
  const writes = spans.filter(({ isWrite }) => isWrite);
  return writes.every(({ record }, at) => record !== writes[at - 1]?.record);
};

/**
 * Reads what is sent of the changes of a view. Not whole: they are larger than a page.
 *
 * @param findOperations - Finds the operations on objects that stay in the view, which are sent where they are smaller
 *   than the state; `null`: states are sent.
 */
export const readChanges = (
  ports: ReadFoundPorts,
  view: ServedView,
  difference: ViewDifference,
  findOperations: FindOperations | null,
): Observable<ReadPage> =>
  defer(() => {
    const draft = new MembersDraft();
    const changes = new Map(difference.changes);
    const texts: string[] = [];
    for (const [text, change] of changes)
      if (changeKindOf(change) === 'leave') draft.addLeave(text, change);
      else texts.push(text);
    if (isTooLarge(draft)) return of({ draft, isWhole: false });
    const read$ = readFound(ports, texts, (text, found) => {
      const change = changes.get(text);
      if (change === undefined) return true;
      const kind = sentKindOf(change, foundStateOf(view, change, found));
      const spans = kind === 'state' && isStaying(change) && isLiving(found) ? (findOperations?.(text) ?? null) : null;
      const isOperated =
        spans !== null &&
        found !== null &&
        (view.scope === null || isVisibleAlways(spans)) &&
        draft.addOperations(spans, found);
      if (!isOperated) addSent(draft, kind, text, change, found, view);
      if (kind === 'nothing') difference.settle(text, change);
      return !isTooLarge(draft);
    });
    return concat(
      read$,
      defer(() => of({ draft, isWhole: !isTooLarge(draft) && draft.changesets.length <= limits.pageChangesetsMax })),
    );
  });

/**
 * Adds the objects that were touched during a bootstrap to its page, until that is full. Objects of a page that is not
 * whole are not read again, unless they are touched again.
 */
const readConcerned = (
  ports: ReadFoundPorts,
  { concerned, options: { source, target } }: Bootstrap,
  before: MembersDraft,
  untilHead$: Observable<never>,
): Observable<ReadPage> =>
  defer(() => {
    const draft = new MembersDraft(before);
    const objects = new Map(concerned.objects);
    const named: (readonly [string, ConcernedObject])[] = [];
    const heldTexts: string[] = []; // Objects that are named only because the device seems to have them.
    let taken = 0;
    const read$ = readFound(ports, objects.keys(), (text, found) => {
      const object = objects.get(text);
      if (object === undefined) return true;
      taken += 1;
      const wasIn = found !== null && concerned.isHeld(text) && source?.hasState(object, found.state) === true;
      const kind = concernedKindOf(object, foundStateOf(target, object, found), wasIn);
      addSent(draft, kind, text, object, found, target);
      if (kind === 'nothing') concerned.settle(text, object);
      else named.push([text, object]);
      if (kind === 'leave' && !object.isKnown && !object.isOwn) heldTexts.push(text);
      return !draft.isFull;
    });
    // Then all changes are known that these states have: one of them may have brought an object into the first view.
    const known$ = defer(() => (taken < objects.size && heldTexts.length > 0 ? untilHead$ : EMPTY));
    const end$ = defer(() => {
      const isWhole = taken >= objects.size;
      if (!isWhole) for (const [text, object] of named) concerned.settle(text, object);
      for (const text of heldTexts) if (!concerned.isHeld(text)) draft.remove(text);
      return of({ draft, isWhole });
    });
    return concat(read$, known$, end$);
  });

/** A page of members. */
export interface MembersPage {
  readonly draft: MembersDraft;
  /** The position after the page; `null`: it is the last one, and exact at the head of the history. */
  readonly next: ScanPosition | null;
}

/**
 * Reads the page of members after a position. Emits it once and completes; emits `null` if the position is not valid
 * any more. Errors with a `StorageError`.
 */
export const readMembers = (
  works: Pick<RealmWorks, 'uploadQueue' | 'headState' | 'selection'>,
  history: Pick<History, 'projection'>,
  collector: HeadReader,
  bootstrap: Bootstrap,
  at: ScanPosition,
): Observable<MembersPage | null> =>
  defer(() => {
    const draft = new MembersDraft();
    const ports = { history, headState: works.headState };
    return bootstrap.readScans(works.selection, at, draft, collector.untilHead(false)).pipe(
      switchMap((next): Observable<MembersPage | null> => {
        if (next === null) return of(null);
        if (!bootstrap.isScanned(next) || !draft.isShort) return of({ draft, next });
        return readExactly(works, collector, () =>
          readConcerned(ports, bootstrap, draft, collector.untilHead(false)),
        ).pipe(map((page) => ({ draft: page.draft, next: page.isWhole ? null : next })));
      }),
    );
  });
