import { Observable } from 'rxjs';
import type { RealmWorks } from '../realms/realm-works.js';
import type { HeadReader } from './head-reader.js';
import type { ReadFoundPorts } from './read-found.js';
import { readChanges, readExactly, type ReadPage } from './read-pages.js';
import type { GroupBatch } from './view-group.js';

export interface BatchPorts extends Pick<ReadFoundPorts, 'history'> {
  /** Reads by means of the parts of the realm that work. */
  readonly readWith: <A>(read: (works: RealmWorks) => Observable<A>) => Observable<A>;
}

/** The progress of the router that collects the changes of a batch. */
export interface RouterProgress {
  readonly isAtHead: () => boolean;
  /** Called after each page. */
  readonly waiting: Set<() => void>;
}

const headReaderOf = (batch: GroupBatch, { isAtHead, waiting }: RouterProgress): HeadReader => ({
  get pages() {
    return batch.pages;
  },
  get isAtHead() {
    return isAtHead();
  },
  untilHead: () =>
    new Observable((subscriber) => {
      const check = (): void => {
        if (isAtHead()) subscriber.complete();
      };
      waiting.add(check);
      subscriber.add(() => waiting.delete(check));
      check();
    }),
});

/**
 * Reads the changes of a batch exactly at the head. Emits once and completes. Errors with a `StorageError`.
 */
export const readBatch = (
  { history, readWith }: BatchPorts,
  batch: GroupBatch,
  progress: RouterProgress,
): Observable<ReadPage> =>
  readWith((works) =>
    readExactly(works, headReaderOf(batch, progress), () =>
      readChanges({ history, headState: works.headState }, batch.group.view, batch.difference, (text) =>
        batch.difference.operations.find(text, null),
      ),
    ),
  );
