import { resolve } from 'node:path';
import { catchError, defer, from, switchMap, throwError } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { importAtRunTime } from '../model/run-time-import.js';
import { openLevelStorage, createLockedError } from './abstract-level.js';
import { resolveFolder, holdFolder } from './folder-identity.js';
import { createLevelBatch } from './level-batch.js';
import type { OpenStorage } from './storage.js';

/**
 * Loads LevelDB, a native module, when the first database is opened, so that importing this file costs nothing in a
 * browser.
 */
const classicLevel$ = defer(() => from(importAtRunTime<typeof import('classic-level')>('classic-level'))).pipe(
  catchError((cause: unknown) =>
    throwError(() => new StorageError('LevelDB does not load on this platform.', { cause })),
  ),
);

/** The cause that LevelDB gives for a path that is open in this process. */
const createOpenHereError = (): Error =>
  Object.assign(new Error('The folder is open in this process.'), { code: 'LEVEL_LOCKED' });

/**
 * Opens a LevelDB database in a folder, which is created if it does not exist. Only one storage can be open on a
 * folder: a second one, of this process or another, errors with a `StorageError` and changes nothing, however the path
 * is spelled. A relative location is relative to the working directory at the call.
 */
export const levelStorage = (location: string): OpenStorage => {
  const absolute = location === '' ? location : resolve(location);
  const name = `The database in ${location}`;
  return classicLevel$.pipe(
    switchMap(({ ClassicLevel }) =>
      defer(() => {
        const folder = resolveFolder(absolute);
        const release = holdFolder(folder);
        if (release === null) throw createLockedError(name, createOpenHereError());
        // LevelDB identifies the databases of a process by their paths, so it needs the real path.
        const db = new ClassicLevel(folder.path);
        const writeBatch = createLevelBatch(() => db.batch());
        return openLevelStorage(db, name, release, writeBatch);
      }),
    ),
  );
};
