import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Fresh places for databases, and an end to all of them. */
export const createTemporaryFolders = (): { readonly fresh: () => string; readonly remove: () => void } => {
  const root = mkdtempSync(join(tmpdir(), 'tidemark-storage-'));
  let count = 0;
  return {
    fresh: () => join(root, String((count += 1))),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
};
