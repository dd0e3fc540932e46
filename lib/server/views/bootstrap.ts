import { concat, defer, EMPTY, expand, last, map, of, switchMap, tap, type Observable } from 'rxjs';
import { parseObjectText } from '../../model/object-key.js';
import type { Version } from '../../model/version.js';
import type { ViewMode } from '../../model/view.js';
import { decodeObjectState, type Row } from '../history/stored-objects.js';
import type { History } from '../history/history.js';
import type { Selection, SelectionPage } from '../selection/read-matching.js';
import { planOf, type SelectionPlan } from '../selection/selection-plan.js';
import { serverLimits } from '../server-limits.js';
import { isViewLost, watchedSinceOf } from './watched-since.js';
import { ConcernedObjects } from './concerned-objects.js';
import type { HiddenPositions } from '../scope/hidden-positions.js';
import type { MembersDraft } from './members-draft.js';
import type { ServedView } from './served-view.js';
import {
  membersPositionTextOf,
  parseMembersPosition,
  viewMarkOf,
  type MembersPosition,
  type ViewScan,
} from './view-scans.js';

export interface BootstrapOptions {
  readonly number: Version;
  /** The view that the device has; `null` if the target replaces everything. */
  readonly source: ServedView | null;
  readonly target: ServedView;
  /** The version of which all scanned objects are at least. */
  readonly version: Version;
  /** The version up to which the device has the source; `Infinity` without a source. */
  readonly sentTo: Version;
  readonly scans: readonly ViewScan[];
  /** The plans of the scans, if they are chosen. */
  readonly plans: readonly SelectionPlan[];
  /** Where positions are kept if the user may not see all objects; `null`: the client gets them. */
  readonly positions: KeptPositions | null;
}

/** Keeps positions, and gives a token for each. */
export interface KeptPositions {
  readonly hide: (position: string) => string;
  /** Returns `null` for an unknown token. */
  readonly reveal: (token: string) => string | null;
}

/** Keeps the positions of a user who may not see all objects, because they name some. `null`: nothing is hidden. */
export const keepPositions = (
  positions: Pick<HiddenPositions, 'hide' | 'reveal'>,
  replica: string,
  source: ServedView | null,
  target: ServedView,
): KeptPositions | null =>
  target.scope === null && (source?.scope ?? null) === null ? null : new OwnPositions(positions, replica);

/** The positions of one bootstrap. Its last two are known as long as it is, and later as long as the realm has room. */
class OwnPositions implements KeptPositions {
  private latest: readonly (readonly [token: string, position: string])[] = [];

  constructor(
    private readonly positions: Pick<HiddenPositions, 'hide' | 'reveal'>,
    private readonly replica: string,
  ) {}

  hide(position: string): string {
    const token = this.positions.hide(this.replica, position);
    this.latest = [...this.latest.slice(-1), [token, position]];
    return token;
  }

  reveal(token: string): string | null {
    const own = this.latest.find(([known]) => known === token)?.[1];
    return own ?? this.positions.reveal(this.replica, token);
  }
}

/** Where the pages of a bootstrap go on: in a scan, after a position of it. */
export type ScanPosition = Pick<MembersPosition, 'scan' | 'after'>;

/** Pages of a scan that are read for one page of members, while they have no objects. */
const scanPagesMax = 8;

/** Longest choice of a plan, so that a position has room. A scan with a longer one reads all objects of the type. */
const choiceCharsMax = 1_500;

/** Chooses the plan of a scan. Emits once and completes. */
export const chooseScanPlan = (selection: Selection, { type, filter }: ViewScan): Observable<SelectionPlan> =>
  selection
    .choosePlan(type, filter)
    .pipe(map((plan) => (plan.choice.length > choiceCharsMax ? { ...planOf(type, filter, null), objects: 0 } : plan)));

/**
 * Brings a device from one view to another. Its pages are scans of what changes between the two views, as the objects
 * are during the scan, and then all objects that were touched meanwhile.
 */
export class Bootstrap {
  readonly number: Version;
  readonly mode: ViewMode;
  readonly concerned: ConcernedObjects;
  /** Whether the user may not see all objects of the source any more, so that its changes are not sent. */
  readonly isWithheld: boolean;
  /** Whether it has to begin again, because the history does not say what has changed, or too much has. */
  isBroken = false;
  /** Whether the user may see other objects by now, so that the latest view is planned again. */
  isOvertaken = false;
  private readonly mark: string;
  private readonly plans: (SelectionPlan | null)[];
  private pages = 0;
  private sentBytes = 0;
  private done = 0;

  constructor(readonly options: BootstrapOptions) {
    const { number, source, target, version, scans, plans } = options;
    this.number = number;
    this.mode = source === null ? 'resync' : 'difference';
    this.isWithheld = source !== null && source.scope !== target.scope;
    this.concerned = new ConcernedObjects(source, target, version, this.isWithheld);
    this.mark = viewMarkOf(source, target);
    this.plans = scans.map((_, at) => plans[at] ?? null);
  }

  /** The version after which every touch counts: before that, the device has the source, and all scans are later. */
  get from(): Version {
    return Math.min(this.options.version, this.options.sentTo);
  }

  /**
   * Checks that a page of the history says what has changed in both views, and that not too much has. Returns `false`
   * if the page does not say it. `untouchedTo`: the last changeset without touches.
   */
  checkPage(history: Pick<History, 'watchedProperties'>, untouchedTo: Version): boolean {
    const { source, target, version } = this.options;
    const isGap =
      isViewLost(history, source, this.from, untouchedTo) || isViewLost(history, target, version, untouchedTo);
    if (isGap || this.concerned.kept > serverLimits.viewObjectsMax) this.isBroken = true;
    return !isGap;
  }

  /**
   * Number of objects that are still to be named, as an estimate: not 0 before the end. 1 if the user may not see all
   * objects, because the estimate counts others, too.
   */
  estimateRemaining(): number {
    if (this.options.positions !== null) return this.options.scans.length + this.concerned.size > 0 ? 1 : 0;
    const scanned = this.plans.reduce((sum, plan) => sum + (plan?.objects ?? 0), 0);
    const rest = Math.max(0, scanned - this.done) + this.concerned.size;
    return rest === 0 && this.options.scans.length > 0 ? 1 : rest;
  }

  /** Notes objects that were named. Returns the bytes of the history that they stand for, which never fall. */
  noteSent(objects: number, historyBytes: number): number {
    this.done += objects;
    if (this.options.positions !== null) return 0;
    const share = this.done / Math.max(1, this.done + this.estimateRemaining());
    this.sentBytes = Math.max(this.sentBytes, Math.floor(historyBytes * share));
    return this.sentBytes;
  }

  /** Whether all scans are done at a position. */
  isScanned({ scan }: ScanPosition): boolean {
    return scan >= this.options.scans.length;
  }

  /** Returns the text of the position after a page, which no other page has. */
  toPositionText({ scan, after }: ScanPosition): string {
    this.pages += 1;
    const { version } = this.options;
    const place = this.isScanned({ scan, after }) ? `${this.pages}` : after;
    const text = membersPositionTextOf({ version, mark: this.mark, scan, after: place });
    return this.options.positions?.hide(text) ?? text;
  }

  /** Reads a position that a client has sent; `null`: it does not belong to these views. */
  parsePosition(text: string | null): MembersPosition | null {
    const { version, scans, positions } = this.options;
    if (text === null) return { version, mark: this.mark, scan: 0, after: '' };
    const parsed = parseMembersPosition(positions === null ? text : (positions.reveal(text) ?? ''));
    return parsed?.mark === this.mark && parsed.scan <= scans.length ? parsed : null;
  }

  /**
   * Adds the objects after a position to a page. Emits the position after them, or `null` if the position is not valid
   * any more, and completes. Errors with a `StorageError`. `untilHead$` completes when all touches are noted.
   */
  readScans(
    selection: Selection,
    start: ScanPosition,
    draft: MembersDraft,
    untilHead$: Observable<never>,
  ): Observable<ScanPosition | null> {
    // On another connection, the numbers of pages go on.
    if (this.isScanned(start) && /^\d{1,9}$/.test(start.after)) this.pages = Math.max(this.pages, Number(start.after));
    let pages = 0;
    const readNext = (at: ScanPosition): Observable<ScanPosition | null> => {
      pages += 1;
      return this.readScan(selection, at, draft, untilHead$);
    };
    const first$ = this.isScanned(start) ? of(start) : readNext(start);
    return first$.pipe(
      expand((at) =>
        at === null || this.isScanned(at) || !draft.isShort || pages >= scanPagesMax ? EMPTY : readNext(at),
      ),
      last(),
    );
  }

  private readScan(
    selection: Selection,
    { scan, after }: ScanPosition,
    draft: MembersDraft,
    untilHead$: Observable<never>,
  ): Observable<ScanPosition | null> {
    const found = this.options.scans[scan];
    if (found === undefined) return of({ scan, after });
    return this.planOfScan(selection, found, scan, after).pipe(
      switchMap((plan) => {
        if (plan === null) return of(null);
        // Then it is known which of the objects were touched after the device had the source.
        const touched$ = this.isWithheld && found.kind === 'leaving' ? untilHead$ : EMPTY;
        return selection.readMatching(plan, after === '' ? null : after).pipe(
          switchMap((page) => concat(touched$, of(page))),
          tap(({ rows }: SelectionPage) => rows.forEach((row) => this.addRow(found, row, draft))),
          map(({ position }) => (position === null ? { scan: scan + 1, after: '' } : { scan, after: position })),
        );
      }),
    );
  }

  private planOfScan(
    selection: Selection,
    scan: ViewScan,
    at: number,
    after: string,
  ): Observable<SelectionPlan | null> {
    return defer(() => {
      if (after !== '') return of(selection.resumePlan(scan.type, scan.filter, after));
      const known = this.plans[at] ?? null;
      return known !== null
        ? of(known)
        : chooseScanPlan(selection, scan).pipe(tap((chosen) => (this.plans[at] = chosen)));
    });
  }

  private addRow({ kind }: ViewScan, [text, bytes]: Row, draft: MembersDraft): void {
    if (this.concerned.isLeftOut(text, kind === 'leaving')) return;
    const { source, target } = this.options;
    const name = parseObjectText(text);
    const isIn = (view: ServedView | null): boolean =>
      view?.types.has(name.type) === true && view.hasState(name, decodeObjectState(text, bytes));
    if (kind === 'leaving') {
      if (!isIn(target)) draft.addLeave(text, name);
    } else if (!isIn(source)) draft.addState(text, name, bytes);
  }
}

/**
 * Goes on with the pages after a position, which may be of an earlier connection. Returns `null` if the position
 * belongs to other views, or if the history no longer says what has changed since those pages began.
 */
export const resumeBootstrap = (
  bootstrap: Bootstrap,
  text: string | null,
  { log, watchedProperties: { types } }: Pick<History, 'log' | 'watchedProperties'>,
): { readonly bootstrap: Bootstrap; readonly at: ScanPosition } | null => {
  const at = bootstrap.parsePosition(text);
  if (at === null) return null;
  const { options } = bootstrap;
  const { source, target } = options;
  const { version } = at;
  if (version === options.version) return { bootstrap, at };
  const from = Math.min(version, options.sentTo);
  const isKept = from >= log.floor && version <= log.head;
  const isWatched =
    watchedSinceOf(types, target) <= version && (source === null || watchedSinceOf(types, source) <= from);
  return isKept && isWatched ? { bootstrap: new Bootstrap({ ...options, version }), at } : null;
};
