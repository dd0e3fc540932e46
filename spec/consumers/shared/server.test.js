/** Tests with a real server, which runs only on Node, so `scripts/consumers.js` leaves this file out in a browser. */
import { ignoreElements, merge, switchMap } from 'rxjs';
import { memoryStorage } from 'tidemark';
import { createSyncServer } from 'tidemark/server';
import { marbles } from 'tidemark/testing';
import { openTasks, titlesOf } from './app.js';
import { describe, it } from './runner.js';

describe('the app on two devices', () => {
  it(
    'shows on one device what another wrote offline',
    marbles(({ clock, cold, network, expectObservable }) => {
      const server = createSyncServer({ storage: memoryStorage(), clock });
      const device = (diagram, name) =>
        openTasks({ ...network(diagram, { server, latencyMs: 5 }), clock: { ...clock, random: () => name } });
      const written$ = device('o 49ms x 49ms o', 0.1).pipe(
        switchMap((realm) =>
          cold('60ms w').pipe(switchMap(() => realm.write((tx) => tx.create('Task', { id: 'a', title: 'milk' })))),
        ),
        ignoreElements(),
      );
      expectObservable(merge(written$, titlesOf(device('o', 0.2))), '200ms !').toBe('n 129ms m', { n: '', m: 'milk' });
    }),
  );
});
