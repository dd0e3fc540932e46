import { BehaviorSubject, distinctUntilChanged, map, type Observable } from 'rxjs';
import type { Shapes } from '../../model/schema.js';
import type { PlacedView, WantedView } from '../../model/view.js';
import type { ViewAnswer } from '../../model/view-port.js';
import { localRejectionsOf } from './local-rejections.js';
import type { SubscriptionSet } from './subscription-set.js';
import {
  initialStatusOf,
  type PlacedSet,
  reduceSubscriptions,
  type SubscriptionEvent,
  type SubscriptionStatus,
} from './subscription-state.js';

const placedSetOf = ({ number, filters }: PlacedView): PlacedSet | null =>
  number === null ? null : { version: number, ids: new Set(filters.map(({ id }) => id)) };

/** The status of the stored set, and the latest set, which may not be stored yet. */
export class SubscriptionTracker {
  #stored: SubscriptionStatus;
  #latest: SubscriptionSet;
  readonly #status: BehaviorSubject<SubscriptionStatus>;
  readonly #wanted: BehaviorSubject<SubscriptionStatus>;
  #isShowing = false;
  /** The stored status and the latest set that are shown, so that equal ones are one object. */
  #shownFor: readonly [SubscriptionStatus, SubscriptionSet];

  constructor(
    private readonly shapes: Shapes,
    set: SubscriptionSet,
    placed: PlacedView,
  ) {
    this.#stored = { ...initialStatusOf(set, placedSetOf(placed)), rejections: localRejectionsOf(shapes, set) };
    this.#latest = set;
    this.#status = new BehaviorSubject(this.#stored);
    this.#wanted = new BehaviorSubject(this.#stored);
    this.#shownFor = [this.#stored, set];
  }

  get status$(): Observable<SubscriptionStatus> {
    return this.#status;
  }

  /**
   * The stored set without what does not fit the schema. A set that is not stored is never sent: it may be taken back,
   * and another one would get its number.
   */
  get wanted$(): Observable<WantedView> {
    return this.#wanted.pipe(
      map(({ set }) => set),
      distinctUntilChanged(),
      map((set) => {
        const rejected = localRejectionsOf(this.shapes, set);
        const sent = set.subscriptions.filter(({ id }) => !rejected.has(id));
        return { number: set.version, filters: sent.map(({ id, type, filter }) => ({ id, type, filter })) };
      }),
    );
  }

  latest(): SubscriptionSet {
    return this.#latest;
  }

  storedSet(): SubscriptionSet {
    return this.#stored.set;
  }

  status(): SubscriptionStatus {
    return this.#status.value;
  }

  /** A set that is not stored yet. Shown by the next call of `show`. */
  setLatest(set: SubscriptionSet): void {
    this.#latest = set;
  }

  /** Called when a set is stored. Shown by the next call of `show`, as are the following ones. */
  setStored(set: SubscriptionSet): void {
    this.#reduce({ type: 'updated', set });
  }

  placed(view: PlacedView): void {
    const placed = placedSetOf(view);
    this.#reduce(placed ? { type: 'placed', placed } : { type: 'reset' });
  }

  answered({ number: version, objects, rejections }: ViewAnswer): void {
    const all = new Map([
      ...rejections.map(({ id, code, text }) => [id, { code, text }] as const),
      ...localRejectionsOf(this.shapes, this.#stored.set),
    ]);
    this.#reduce({ type: 'answered', version, objects, rejections: all });
    this.show();
  }

  disconnected(isKept: boolean): void {
    this.#reduce({ type: 'disconnected', isKept });
    this.show();
  }

  /** Takes back what is not stored. */
  rollBack(): void {
    this.#latest = this.#stored.set;
    this.show();
  }

  /** Emits what has changed. A loop, so that a change by an observer is emitted after the one that it observes. */
  show(): void {
    if (this.#isShowing) return;
    this.#isShowing = true;
    while (this.#stored !== this.#shownFor[0] || this.#latest !== this.#shownFor[1]) {
      const [stored, latest] = [this.#stored, this.#latest];
      this.#shownFor = [stored, latest];
      // `updated` with the set that is stored returns the same status.
      this.#status.next(reduceSubscriptions(stored, { type: 'updated', set: latest }));
      if (this.#wanted.value !== stored) this.#wanted.next(stored);
    }
    this.#isShowing = false;
  }

  close(): void {
    this.#status.complete();
    this.#wanted.complete();
  }

  #reduce(event: SubscriptionEvent): void {
    this.#stored = reduceSubscriptions(this.#stored, event);
  }
}
