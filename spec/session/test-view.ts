import { BehaviorSubject, concat, defer, EMPTY, map, type Observable } from 'rxjs';
import type { SyncedView, ViewAnswer, ViewMembers, ViewPage } from '../../lib/model/view-port.js';
import { noView, type PlacedView, type WantedView } from '../../lib/model/view.js';
import { createTestRealm, type TestRealm } from './test-realm.js';

/** A realm with a view. Records what a session does. */
export interface TestViewRealm extends TestRealm {
  readonly view: SyncedView;
  /** Makes a view the latest one. */
  readonly want: (number: number, ...ids: readonly number[]) => void;
  readonly answers: ViewAnswer[];
  readonly members: ViewMembers[];
  readonly parts: ViewPage[];
  /** Whether pages were kept, of each disconnect while objects were on the way. */
  readonly disconnects: boolean[];
}

/** Returns a view of some subscriptions. Each selects all objects of a type. */
export const createWantedView = (number: number, ...ids: readonly number[]): WantedView => ({
  number,
  filters: ids.map((id) => ({ id, type: `T${id}`, filter: true })),
});

/** `edited$`: completes when the changes of the app are stored. */
export const createTestViewRealm = (
  placed: PlacedView = noView,
  { edited$ = EMPTY, placing = EMPTY, downloaded = 0, history = null as string | null } = {},
): TestViewRealm => {
  const realm = createTestRealm({ downloaded, history });
  const wanted$ = new BehaviorSubject(createWantedView(0));
  const answers: ViewAnswer[] = [];
  const members: ViewMembers[] = [];
  const parts: ViewPage[] = [];
  const disconnects: boolean[] = [];
  let present = placed;
  let cursor = downloaded;
  const doing = (work: () => void): Observable<never> =>
    concat(
      placing,
      defer(() => (work(), EMPTY)),
    );
  return {
    ...realm,
    greeting$: realm.greeting$.pipe(map((greeting) => ({ ...greeting, downloadedTo: cursor, view: present }))),
    want: (...args) => wanted$.next(createWantedView(...args)),
    ...{ answers, members, parts, disconnects },
    view: {
      wanted$,
      edited$,
      noteAnswer: (answer) => void answers.push(answer),
      noteDisconnect: (isKept) => void disconnects.push(isKept),
      place: (page) =>
        doing(() => {
          members.push(page);
          present = page.placed;
          cursor = page.upTo;
        }),
      integrate: (page) =>
        doing(() => {
          parts.push(page);
          cursor = page.upTo;
        }),
    },
  };
};
