import { concat, defer, EMPTY, Observable, race, ReplaySubject, type Subscriber, Subscription, timer } from 'rxjs';
import { messageOf, StorageError } from '../../model/errors.js';
import { observe, runToItsEnd } from '../../model/operators.js';
import type { Option } from '../../model/result.js';
import type { SyncSession } from '../../session/api/sync-session.js';
import type { TabPlatform } from '../../storage/tab-platform.js';
import { MirroredStore } from '../../store/tabs/mirrored-store.js';
import type { SubscriptionsApi } from '../../store/subscriptions/subscriptions-api.js';
import type { SubscriptionsPort } from '../../store/subscriptions/view-parts.js';
import type { OpenPlan, RealmStore, RunningRealm } from '../open-plan.js';
import { done$ } from '../running-realm.js';
import { createLocalTab } from './local-tab.js';
import type { TabParts, TabPorts } from './tab-parts.js';
import { TabRoles } from './tab-roles.js';
import { createTabStore } from './tab-store.js';

/** Milliseconds after which a tab that could neither lead nor follow tries again. */
const retryMs = 1_000;
/** Milliseconds for the answers to the last writes of a tab that closes the realm. A change of the leader takes one. */
const closingMs = 10_000;

/** A realm that several tabs share, in one of them. Its edges end when the realm is closed in this tab. */
class TabRealm implements RunningRealm {
  readonly store: RealmStore;
  readonly subscriptions: SubscriptionsApi | undefined;
  readonly #port: SubscriptionsPort | null;
  readonly #released = new ReplaySubject<void>(1);
  readonly processed$ = defer(() => this.#roles.call('refresh'));
  readonly #mirror: MirroredStore;
  readonly #parts: TabParts;
  readonly #roles: TabRoles;
  #handles = 0;
  #isReleased = false;
  #retrying = Subscription.EMPTY;

  constructor(
    private readonly plan: OpenPlan,
    platform: TabPlatform,
    private readonly opening: Subscriber<RunningRealm>,
  ) {
    const mirror = (this.#mirror = new MirroredStore(plan.shapes, plan.clock, plan.subscriptions?.createMirroredViews));
    const ports: TabPorts = {
      ...{ mirror, released$: this.#released, start: runToItsEnd },
      store: () => this.#roles.store,
      call: (method) => this.#roles.call(method),
      onClosing: () => this.#roles.beginClosing(),
      onReleased: () => this.#release(),
      onLoggedOut: () => this.#roles.noteLogOut(),
    };
    const parts = plan.sync ? plan.sync.support.createTab(plan, plan.sync, ports) : createLocalTab(plan);
    const roles = new TabRoles({
      ...{ plan, platform, mirror, parts },
      isOpened: () => this.opening.closed,
      onReady: () => this.#onReady(),
      onFailed: (thrown) => this.#fail(thrown),
      onReleased: () => this.#release(),
    });
    [this.#parts, this.#roles] = [parts, roles];
    const sendLater = (): void => roles.follower.sendLater();
    this.store = createTabStore(mirror, roles, sendLater, plan);
    const { views } = mirror;
    const tabPorts = views && { views, store: () => roles.store, store$: roles.store$, sendLater };
    this.#port = (tabPorts && plan.subscriptions?.createTabPort(tabPorts)) ?? null;
    this.subscriptions = this.#port ? plan.subscriptions?.createApi(this.#port) : undefined;
    roles.start();
  }

  get released$(): Observable<void> {
    return this.#released;
  }

  get syncSession(): Option<SyncSession> {
    return this.#parts.syncSession();
  }

  readonly checkOwner = (): void => this.#parts.checkOwner();
  readonly hasHandles = (): boolean => this.#handles > 0;
  readonly closeNow = (): void => this.#end(true);

  readonly addHandle = (): boolean => {
    if (this.#handles === 0) this.#end(true); // It may still upload. The new handle opens it again.
    if (this.#isReleased || this.#handles === 0) return false;
    this.#handles += 1;
    this.#parts.session()?.dispatch({ type: 'input', input: 'open' });
    return true;
  };

  readonly removeHandle = (): Observable<unknown> => {
    this.#handles -= 1;
    if (this.#handles > 0) return done$;
    this.#end(this.plan.sync?.stopImmediately ?? true);
    return this.#isReleased ? this.#released : done$;
  };

  #onReady(): void {
    this.#parts.onHealth({ state: 'back' });
    if (this.#handles > 0 || this.opening.closed) return;
    const check$ = this.#roles.store ? EMPTY : concat(this.#parts.checkFollower(), this.#subscribeFirst());
    const onChecked = (): void => {
      if (this.#handles > 0 || this.#isReleased) return;
      this.#handles = 1;
      this.opening.next(this);
      this.opening.complete();
    };
    runToItsEnd(check$, onChecked, (thrown) => this.#fail(thrown));
  }

  /** Makes the first subscriptions in a tab that follows. A tab that leads has made them when it opened the store. */
  #subscribeFirst(): Observable<never> {
    return defer(() => this.#parts.subscribeFirst(this.#port));
  }

  #fail(thrown: unknown): void {
    if (this.#handles === 0) {
      this.#release();
      this.opening.error(thrown);
      return;
    }
    const error = thrown instanceof StorageError ? thrown : new StorageError(messageOf(thrown), { cause: thrown });
    this.#parts.onHealth({ state: 'lost', error });
    this.#retrying.unsubscribe();
    this.#retrying = observe(timer(retryMs, this.plan.clock.scheduler), () => this.#roles.retry());
  }

  /** Ends the session in this tab. A leader without followers closes the store when its session has ended. */
  #end(isNow: boolean): void {
    const leads = this.#roles.store !== null && this.#parts.session() !== null;
    this.#parts.end(isNow || this.#roles.hasOthers());
    if (!leads) this.#release();
  }

  /** Ends the realm in this tab, when its last writes are answered. */
  #release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    const leave = (): void =>
      this.#roles.close(() => {
        this.#retrying.unsubscribe();
        this.#mirror.close();
        this.#roles.follower.close();
        this.#parts.complete();
        this.#released.next();
        this.#released.complete();
      });
    const answered$: Observable<unknown> = this.#mirror.pending.last()?.outcome ?? EMPTY;
    runToItsEnd(race(answered$, timer(closingMs, this.plan.clock.scheduler)), leave, leave);
  }
}

/** Opens a realm that several tabs share: see `openRunningRealm`. */
export const openTabRealm = (plan: OpenPlan, platform: TabPlatform): Observable<RunningRealm> =>
  new Observable((subscriber) => {
    new TabRealm(plan, platform, subscriber);
  });
