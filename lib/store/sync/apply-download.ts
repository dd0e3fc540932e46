import type { Observable } from 'rxjs';
import type { ObjectState } from '../../merge/object-state.js';
import { laterInstantOf } from '../../merge/timestamp.js';
import type { SetAsideObject } from '../../model/changeset.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import type { DownloadPage } from '../../model/sync-port.js';
import type { Version } from '../../model/version.js';
import type { CommitContext, CommitRequest } from '../commit/commit-context.js';
import { mergePage } from './integrate.js';
import type { Objects } from '../objects/objects.js';
import { isResetting } from './reset-store.js';
import { reportOf } from '../objects/set-aside-errors.js';

/** The first version that has brought one of these misfits. */
const firstVersionOf = (
  { setAside }: Objects,
  touched: ReturnType<typeof mergePage>['changedObjects'],
  misfits: readonly SetAsideObject[],
): Version => {
  const newMisfits = new Set<SetAsideObject | null>(misfits);
  const isNew = (state: ObjectState): boolean => newMisfits.has(setAside.misfitOf(state));
  return touched.reduce((least, { state, version }) => (isNew(state) ? Math.min(least, version) : least), Infinity);
};

/** Merges a page of downloaded changesets into the objects, in one batch with the cursor. */
export const applyDownload = (
  context: CommitContext,
  { changesets, upTo, bytes, remainingBytes, remaining }: DownloadPage,
): Observable<SetAsideReport> => {
  const { optimistic, objects } = context;
  if (upTo <= optimistic.downloadedTo || isResetting(context)) return context.waitForCommits();
  const page = mergePage(objects, optimistic.remoteInstant, changesets);
  const { changedObjects, newRows, instant: remoteInstant } = page;
  const instant = laterInstantOf(optimistic.instant, remoteInstant);
  optimistic.instant = instant;
  optimistic.remoteInstant = remoteInstant;
  optimistic.downloadedTo = upTo;
  if (remaining === 0) optimistic.includeOwn = false;
  const staged = changedObjects.length === 0 ? null : objects.stage(changedObjects);
  const task: CommitRequest = {
    changes: staged ? [...newRows.changes, ...staged.changes] : newRows.changes,
    metadata: {
      ...{
        instant,
        remoteInstant,
        downloadedTo: upTo,
        downloadedBytes: bytes,
        headBytes: bytes + remainingBytes,
      },
      ...(remaining === 0 && { includeOwn: false }),
    },
    durable: false, // After a power cut the page is downloaded again: the cursor is in the same batch.
    stored: () => {
      newRows.settle();
      staged?.settle();
    },
  };
  const misfits = staged?.misfits ?? [];
  return context.commit(
    task,
    reportOf(objects, misfits, () => firstVersionOf(objects, changedObjects, misfits)),
  );
};
