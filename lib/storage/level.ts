import { catchError, defer, from, switchMap, throwError } from 'rxjs';
import { StorageError } from '../model/errors.js';
import { abstractLevelStorage } from './abstractlevel.js';
import type { OpenStorage } from './storage.js';

/** LevelDB is a native module: it is loaded when the first one is opened, so that importing this costs nothing in a browser. */
const engine = defer(() => from(import('classic-level'))).pipe(
  catchError((cause: unknown) =>
    throwError(() => new StorageError('LevelDB does not load on this platform', { cause })),
  ),
);

/**
 * A LevelDB database in a directory, which is made if it is not there. One at a time: a second opener, of this process or
 * another, gets a `StorageError` and touches nothing.
 */
export const levelStorage = (location: string): OpenStorage =>
  engine.pipe(
    switchMap(({ ClassicLevel }) => abstractLevelStorage(new ClassicLevel(location), `the database in ${location}`)),
  );
