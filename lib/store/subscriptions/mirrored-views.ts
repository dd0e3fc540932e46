import { EMPTY, ignoreElements, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Schema, Shapes } from '../../model/schema.js';
import { isSameValue } from '../../model/value.js';
import { noView } from '../../model/view.js';
import type { StorageChange } from '../../storage/storage.js';
import { subscriptionsKey, viewKey } from '../storage-keys.js';
import { encodeCalls } from './edit-calls.js';
import { type EditCall, editSubscriptions, isSameSubscription, repeatEdit } from './edit-subscriptions.js';
import { decodeSet, emptySet, encodeSet, type StoredSubscription, type SubscriptionSet } from './subscription-set.js';
import type { SubscriptionStatus } from './subscription-state.js';
import type { ViewNews } from './view-news.js';
import { SubscriptionTracker } from './subscription-tracker.js';
import type { PendingEdit, SubscriptionsPort } from './view-parts.js';
import { decodeView, isSameView } from './view-records.js';

/**
 * Returns the number that a subscription has in a set: that of the one with the same name, type and conditions; 0
 * without one.
 */
export const numberIn = ({ subscriptions }: SubscriptionSet, subscription: StoredSubscription): number =>
  subscriptions.find((each) => isSameSubscription(each, subscription))?.id ?? 0;

/** A change of this tab that the leader has not answered. */
interface UnansweredEdit {
  readonly body: Uint8Array;
  readonly calls: readonly EditCall[];
  readonly stored$: Observable<never>;
}

/** Sends a change to the leader. Errors when the leader does not store it; completes when it is stored. Replays. */
export type SendEdit = (body: Uint8Array) => Observable<unknown>;

export interface MirroredViewsPorts {
  readonly shapes: Shapes;
  readonly clock: Pick<Clock, 'now'>;
  /** Throws a `RealmClosedError` when the realm is closed in this tab. */
  readonly checkOpen: () => void;
  readonly send: SendEdit;
}

/** Creates the subscriptions of a tab. An option, so that other bundles have no code of them. */
export type CreateMirroredViews = (ports: MirroredViewsPorts) => MirroredViews;

/**
 * The subscriptions of a realm whose storage another tab has. Changes are made here at once, and sent to the leader,
 * which makes them again on its set. Until it has answered, added subscriptions have negative numbers.
 */
export class MirroredViews implements SubscriptionsPort {
  readonly #tracker: SubscriptionTracker;
  #unanswered: readonly UnansweredEdit[] = [];
  #view = noView;
  #numbered = 0;

  constructor(private readonly ports: MirroredViewsPorts) {
    this.#tracker = new SubscriptionTracker(ports.shapes, emptySet, noView);
  }

  get status$(): Observable<SubscriptionStatus> {
    return this.#tracker.status$;
  }

  readonly getStatus = (): SubscriptionStatus => this.#tracker.status();

  readonly edit: SubscriptionsPort['edit'] = (change): PendingEdit => {
    const { shapes, clock, checkOpen } = this.ports;
    checkOpen();
    const before = this.#tracker.latest();
    const nextId = (): number => (this.#numbered -= 1);
    const edited = editSubscriptions<Schema>(shapes, before, clock.now(), change, nextId);
    if (edited.set === before) return { ...edited, stored$: this.#waitUntilAnswered() };
    const stored$ = this.resend(edited.calls);
    this.#tracker.show();
    return { ...edited, stored$ };
  };

  /** Sends a change that this tab has made, and could not store while it led. Shown by the next call of `show`. */
  resend(calls: readonly EditCall[]): Observable<never> {
    const body = encodeCalls(calls);
    const stored$ = this.ports.send(body).pipe(ignoreElements());
    this.#unanswered = [...this.#unanswered, { body, calls: calls.map((call) => this.#number(call)), stored$ }];
    this.#stage();
    return stored$;
  }

  /** Reads the records of an update. Shown by the next call of `show`. Throws a `StorageError` for an invalid one. */
  read(changes: readonly StorageChange[]): void {
    for (const change of changes) {
      const { key } = change;
      if (key === subscriptionsKey) this.#readSet(change.type === 'put' ? change.value : null);
      else if (key === viewKey) this.#readView(change.type === 'put' ? change.value : null);
    }
  }

  /** Reads all records of the realm. */
  readAll(records: readonly StorageChange[]): void {
    const valueOf = (wanted: string): Uint8Array | null => {
      const found = records.findLast(({ key }) => key === wanted);
      return found?.type === 'put' ? found.value : null;
    };
    this.#readSet(valueOf(subscriptionsKey));
    this.#readView(valueOf(viewKey));
  }

  /** Makes the changes that the leader has not answered on top of its set. `bodies`: those that are left. */
  restage(bodies: ReadonlySet<Uint8Array | null>): void {
    this.#unanswered = this.#unanswered.filter(({ body }) => bodies.has(body));
    this.#stage();
  }

  /** Takes over what the leader knows besides its records. */
  note({ version: number, isArriving, rejections }: ViewNews): void {
    this.#tracker.answered({ number, objects: isArriving ? 1 : 0, rejections });
  }

  show(): void {
    this.#tracker.show();
  }

  close(): void {
    this.#tracker.close();
  }

  #waitUntilAnswered(): Observable<never> {
    return this.#unanswered.at(-1)?.stored$ ?? EMPTY;
  }

  #number(call: EditCall): EditCall {
    return call.method === 'set' ? { ...call, id: call.id ?? (this.#numbered -= 1) } : call;
  }

  #stage(): void {
    let set = this.#tracker.storedSet();
    for (const { calls } of this.#unanswered) set = this.#repeat(set, calls);
    this.#tracker.setLatest(set);
  }

  /** The same content stays the same set, so that the state is not begun again. */
  #readSet(bytes: Uint8Array | null): void {
    const set = bytes === null ? emptySet : decodeSet(subscriptionsKey, bytes);
    if (!isSameValue(encodeSet(set), encodeSet(this.#tracker.storedSet()))) this.#tracker.setStored(set);
  }

  #readView(bytes: Uint8Array | null): void {
    const view = bytes === null ? noView : decodeView(viewKey, bytes);
    if (!isSameView(view, this.#view)) this.#tracker.placed(view);
    this.#view = view;
  }

  /** A change that is not possible any more is not shown: the leader answers with the error. */
  #repeat(set: SubscriptionSet, calls: readonly EditCall[]): SubscriptionSet {
    try {
      return repeatEdit(set, this.ports.clock.now(), calls).set;
    } catch {
      return set;
    }
  }
}

export const createMirroredViews: CreateMirroredViews = (ports) => new MirroredViews(ports);
