/** The app of three people with three runners: a project has it, and its tests, beside a `runner.js` of its own (scripts/consumers.js). */
import { distinctUntilChanged, map, NEVER, of, switchMap, timer } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm$ } from 'tidemark';

export const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } };

/** Green while the session is connected, and grey only when it has not been for two seconds. */
export const indicator = ({ connectionState$ }, { scheduler }) =>
  connectionState$.pipe(
    switchMap((state) => (state === 'connected' ? of('green') : timer(2_000, scheduler).pipe(map(() => 'grey')))),
    distinctUntilChanged(),
  );

export const openTasks = ({ dial, online$ = NEVER, clock }) => {
  const client = createSyncClient({ dial, reconnect$: online$, clock });
  return openRealm$({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
};

export const connectionOf = (realm$) => realm$.pipe(switchMap((realm) => realm.syncSession.value.connectionState$));

export const titlesOf = (realm$) =>
  realm$.pipe(
    switchMap((realm) => realm.objects$('Task')),
    map((tasks) => tasks.map(({ title }) => title).join()),
  );
