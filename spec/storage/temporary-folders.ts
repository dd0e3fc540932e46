import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Creates fresh paths for databases, and removes all of them at the end. */
export const createTemporaryFolders = (): { readonly fresh: () => string; readonly remove: () => void } => {
  const root = mkdtempSync(join(tmpdir(), 'tidemark-storage-'));
  let count = 0;
  return {
    fresh: () => join(root, String((count += 1))),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
};
