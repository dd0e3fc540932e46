import { resolve } from 'node:path';
import { catchError, defer, from, switchMap, throwError } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { importAtRunTime } from '../model/run-time-import.js';
import { openLevelStorage, createLockedError } from './abstract-level.js';
import { resolveFolder, holdFolder } from './folder-identity.js';
import type { OpenStorage } from './storage.js';

/**
 * LevelDB is a native module: it is loaded when the first one is opened, so that importing this costs nothing in a
 * browser.
 */
const classicLevel$ = defer(() => from(importAtRunTime<typeof import('classic-level')>('classic-level'))).pipe(
  catchError((cause: unknown) =>
    throwError(() => new StorageError('LevelDB does not load on this platform', { cause })),
  ),
);

/** The cause as LevelDB gives it for a path that it knows. */
const createOpenHereError = (): Error =>
  Object.assign(new Error('The folder is open in this process.'), { code: 'LEVEL_LOCKED' });

/**
 * A LevelDB database in a directory, which is made if it is not there. One at a time: a second opener, of this process
 * or another, gets a `StorageError` and touches nothing, however it spells the directory. A relative location is
 * relative to the working directory of the call.
 */
export const levelStorage = (location: string): OpenStorage => {
  const absolute = location === '' ? location : resolve(location);
  const place = `the database in ${location}`;
  return classicLevel$.pipe(
    switchMap(({ ClassicLevel }) =>
      defer(() => {
        const folder = resolveFolder(absolute);
        const release = holdFolder(folder);
        if (release === null) throw createLockedError(place, createOpenHereError());
        // LevelDB tells its databases of one process apart by their paths, so it is given the real one.
        return openLevelStorage(new ClassicLevel(folder.path), place, release);
      }),
    ),
  );
};
