import { EMPTY, type Observable, switchMap } from 'rxjs';
import { keyRangeOf, type Storage, type StorageChange } from '../../storage/storage.js';
import { decodeBlock, type ObjectBlock } from '../objects/object-block.js';
import type { Objects } from '../objects/objects.js';

interface CompactionParts {
  readonly storage: Pick<Storage, 'range'>;
  readonly objects: Pick<Objects, 'takeSparseBlock' | 'toRowMove'>;
  readonly commit: (request: {
    readonly changes: readonly StorageChange[];
    readonly metadata: Record<string, never>;
    readonly durable: boolean;
    readonly stored: () => void;
  }) => Observable<never>;
}

/** Moves the valid rows of a block. Its keys are read again, because memory has no list of them. */
const moveRows = ({ storage, objects, commit }: CompactionParts, block: ObjectBlock): Observable<never> =>
  storage.range(keyRangeOf(block.key)).pipe(
    switchMap(([found]) => {
      if (!found || block.isDropped) return EMPTY;
      const { changes, settle } = objects.toRowMove(block, decodeBlock(...found).rows);
      // Not durable: a power cut leaves either block.
      return commit({ changes, metadata: {}, durable: false, stored: settle });
    }),
  );

/**
 * Moves the valid rows of all blocks of which less than half is valid, in one batch for each. So blocks take at most
 * about twice the bytes of their valid rows, on disk and in memory, and a row is moved at most once for each row that
 * became invalid.
 *
 * Subscribes by itself (an edge): this is maintenance that no app asks for. A failure is not reported, because nothing
 * has changed; the next batch that makes rows invalid tries again.
 */
export const compactBlocks = (parts: CompactionParts): void => {
  for (let block = parts.objects.takeSparseBlock(); block; block = parts.objects.takeSparseBlock()) {
    const taken = block;
    // eslint-disable-next-line rxjs-x/no-ignored-subscription -- ends with its batch
    moveRows(parts, taken).subscribe({
      error: () => {
        taken.isMoving = false;
      },
    });
  }
};
