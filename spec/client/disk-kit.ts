import { concat, defer, EMPTY, ignoreElements, Observable, of, throwError } from 'rxjs';
import { memoryStorage, StorageError, type OpenStorage, type Storage, type StorageEntry } from '../../lib/index.js';

/** A storage that keeps its content when it is closed. It can be made to answer a turn later, and to fail. */
export interface Disk {
  readonly open: OpenStorage;
  /** Returns all entries. */
  readonly entries: () => readonly StorageEntry[];
  isSlow: boolean;
  isBroken: boolean;
}

const laterTurn = new Observable<never>((waiting) => {
  setImmediate(() => waiting.complete());
});

const entriesOf = (storage: Storage): readonly StorageEntry[] => {
  let found: readonly StorageEntry[] = [];
  storage.range({ from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity }).subscribe((all) => (found = all));
  return found;
};

/** Creates a disk that can be opened once at a time, like a database. */
export const createDisk = (): Disk => {
  const kept = memoryStorage();
  let isOpen = false;
  const made: Disk = {
    isSlow: false,
    isBroken: false,
    entries: () => entriesOf(kept),
    open: defer(() => {
      if (isOpen) throw new StorageError('the disk is in use');
      isOpen = true;
      const slowly = <T>(work: () => Observable<T>): Observable<T> =>
        made.isSlow ? concat(laterTurn, defer(work)) : defer(work);
      return of<Storage>({
        range: (range) => slowly(() => kept.range(range)),
        batch: (changes, options) =>
          slowly(() =>
            made.isBroken ? throwError(() => new StorageError('the disk is full')) : kept.batch(changes, options),
          ).pipe(ignoreElements()),
        close: () =>
          slowly(() => {
            isOpen = false;
            return EMPTY;
          }),
      });
    }),
  };
  return made;
};
