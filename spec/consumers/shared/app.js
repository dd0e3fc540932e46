/**
 * The app of three projects with three test runners. `scripts/consumers.js` copies it and its tests next to the
 * `runner.js` of each project.
 */
import { distinctUntilChanged, map, NEVER, of, switchMap, timer } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm$ } from 'tidemark';

export const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } };

/** Emits green while the session is connected, and grey after two seconds without a connection. */
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
