import { firstValueFrom } from 'rxjs';
import type { Log } from '../../lib/log/log.js';
import { readLogPages } from '../../lib/log/read-log-pages.js';
import type { Storage, StorageEntry } from '../../lib/storage/storage.js';
import type { Entry } from './test-kit.js';

export const recordsOf = ({ range }: Storage): Promise<readonly StorageEntry[]> =>
  firstValueFrom(range({ from: ' ', to: '~~', limit: Infinity, bytesMax: Infinity }));

export const keysOf = async (storage: Storage): Promise<readonly string[]> =>
  (await recordsOf(storage)).map(([key]) => key);

export const readAll = async (log: Log<Entry>): Promise<readonly Entry[]> => {
  const entries: Entry[] = [];
  await new Promise<void>((resolve, reject) => {
    readLogPages(log.floor, log.page).subscribe({
      next: (page) => entries.push(...page.entries),
      error: reject,
      complete: resolve,
    });
  });
  return entries;
};
