/* One device of the demo, in its own process: a realm on LevelDB that syncs with the server. Driven by `main.ts`. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSyncClient, isSome, openRealm, type Realm, type SyncSession } from 'tidemark';
import { distinctUntilKeyChanged, firstValueFrom, forkJoin, map, pairwise, skip, type Subscription } from 'rxjs';
import { readFilms, schema } from './films.js';
import type { DeviceCommand, DeviceSettings, DeviceMessage, Stream } from './device-messages.js';

const { name, url, folder } = JSON.parse(process.argv[2] ?? '{}') as DeviceSettings;
// The parent process may have ended: its error is ignored.
const send = (message: DeviceMessage): void => void process.send?.(message, () => undefined);
const sendMarble = (stream: Stream, letter: string): void => send({ kind: 'marble', stream, letter });

const letters = {
  ...{ disconnected: 'd', connecting: 'c', connected: 'C' },
  ...{ active: 'a', paused: 'p', inactive: 'i', dying: 'y', waitingForAccessToken: 't' },
} as const;

type Films = Realm<typeof schema>;

/** Shows every stream of a session. */
const show = (session: SyncSession): void => {
  session.connectionState$.subscribe((state) => sendMarble('connectionState$', letters[state]));
  session.syncState$.subscribe((state) => sendMarble('syncState$', letters[state]));
  const pending$ = session.status$.pipe(map(({ pending }) => pending.changesets));
  pending$.pipe(pairwise()).subscribe(([before, now]) => {
    if (now > before) sendMarble('uploads', 'w');
    if (now < before) sendMarble('uploads', now === 0 ? 'U' : 'u');
  });
  const downloaded$ = session.status$.pipe(map(({ downloaded }) => downloaded));
  downloaded$.pipe(distinctUntilKeyChanged('version'), skip(1)).subscribe(({ behind }) => {
    sendMarble('downloads', behind === 0 ? 'D' : 'v');
  });
  session.errors$.subscribe(({ code }) => sendMarble('connectionState$', code === 'connection-failed' ? '!' : '#'));
};

/**
 * The progress of a wait: the share of the pending uploads that is done, and the share of the history that is
 * downloaded.
 */
const showProgress = (session: SyncSession): Subscription => {
  const { changesets: total } = session.status.pending;
  return session.status$.subscribe(({ pending, downloaded: { version, behind } }) => {
    if (pending.changesets > 0) {
      send({
        kind: 'progress',
        of: `${name}: ${total - pending.changesets} of ${total} changesets uploaded`,
        done: 1 - pending.changesets / total,
      });
    } else if (behind !== null) {
      const all = version + behind;
      send({
        kind: 'progress',
        of: `${name}: ${version} of ${all} changesets downloaded`,
        done: all === 0 ? 1 : version / all,
      });
    }
  });
};

/** Waits until everything is uploaded and downloaded. Later writes do not extend the wait. */
const settle = async (session: SyncSession): Promise<void> => {
  const subscription = showProgress(session);
  await firstValueFrom(forkJoin([session.uploadComplete$, session.downloadComplete$]));
  subscription.unsubscribe();
};

/** Skips films that are imported already: a device that was killed continues where it was. */
const importFilms = async (realm: Films): Promise<void> => {
  const all = readFilms();
  for (let at = 0; at < all.length; at += 20) {
    const batch = all.slice(at, at + 20);
    await realm.write((tx) => {
      for (const film of batch) if (!tx.get('Film', film.id)) tx.create('Film', film);
    });
    send({
      kind: 'progress',
      of: `${name}: ${at + batch.length} of ${all.length} films imported`,
      done: (at + batch.length) / all.length,
    });
  }
};

/** A hundred films of this round. Both devices edit every third one, so that changes must be merged. */
const editFilms = async (realm: Films, round: number, pace: number): Promise<void> => {
  for (let edit = 0; edit < 100; edit++) {
    const index = edit % 3 === 0 ? edit * 7 + round : edit * 11 + round + (name === 'A' ? 0 : 1_500);
    const id = `film-${String(index % 3_201).padStart(4, '0')}`;
    await realm.write((tx) => {
      if (edit % 25 === 24 && name === 'B') {
        if (tx.get('Film', id)) tx.delete('Film', id);
        return;
      }
      if (!tx.get('Film', id)) return;
      tx.update('Film', id, {
        watched: edit % 2 === 0,
        note: `${name} in round ${round}`,
        imdbVotes: round * 1_000 + edit,
      });
    });
    if (pace > 0) await sleep(pace);
  }
};

const digest = async (realm: Films, session: SyncSession) => {
  const all = await firstValueFrom(realm.objects$('Film', { sort: { id: 1 } }));
  return {
    digest: createHash('sha256').update(JSON.stringify(all)).digest('hex'),
    objects: all.length,
    // The client version: the number of changesets of this device.
    changesets: await firstValueFrom(session.uploadComplete$),
  };
};

const perform = async (
  realm: Films,
  session: SyncSession,
  cue: DeviceCommand,
): Promise<{ digest?: string; objects?: number; changesets?: number }> => {
  switch (cue.cue) {
    case 'import':
      await importFilms(realm);
      return {};
    case 'edit':
      if (cue.offline) session.pause(); // Also after a restart: a pause is not stored.
      await editFilms(realm, cue.round, cue.pace);
      return {};
    case 'resume':
      session.resume();
      return {};
    case 'settle':
      await settle(session);
      return {};
    case 'digest':
      return digest(realm, session);
    case 'leave':
      await realm.close();
      return {};
  }
};

const client = createSyncClient({ url, timeouts: { backoffFirst: 200, backoffMost: 1_000 } });
const realm = await openRealm({ schema, storage: folder, sync: { client, realm: 'films' } });
if (!isSome(realm.syncSession)) throw new Error('the realm has no session');
const session = realm.syncSession.value;
show(session);

process.on('message', (cue: DeviceCommand) => {
  perform(realm, session, cue).then(
    (extra) => {
      send({ kind: 'done', cue: cue.cue, ...extra });
      if (cue.cue === 'leave') process.disconnect();
    },
    (thrown: unknown) => {
      console.error(`device ${name}: ${cue.cue} failed`, thrown);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));
send({ kind: 'ready' });
