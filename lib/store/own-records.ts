import type { StorageChange } from '../storage/storage.js';
import type { CommitContext } from './commit/commit-context.js';
import { toMetadataPut } from './metadata.js';
import { toOwnerPut } from './ownership/owner.js';
import { toRunsPut } from './ownership/replica-runs.js';
import { toLimitsPut } from './transaction/write-limits.js';

/** The stored records that describe a realm: all but its objects and its outbox. */
export const ownRecordsOf = ({
  durable,
  writeLimits,
  rejectedList,
  views,
}: Pick<CommitContext, 'durable' | 'writeLimits' | 'rejectedList' | 'views'>): readonly StorageChange[] => {
  const { runs, owner } = durable();
  const own = [toMetadataPut(durable()), toLimitsPut(writeLimits.now), toRunsPut(runs), toOwnerPut(owner)];
  return [...rejectedList.dump(), ...(views?.dump() ?? []), ...own];
};
