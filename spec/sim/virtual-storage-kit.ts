import { StorageError, type Storage } from '../../lib/index.js';
import type { VirtualTab } from '../../sim/virtual-tabs.js';
import { contentsAfter, contentsOf, createBatch, everything } from './disk-kit.js';
import { createTestBrowser, type TestBrowserOptions } from './virtual-tabs-kit.js';

/** Creates a browser whose tabs open the storage, write numbered batches to it and read it. */
export const createStorageTest = (options?: TestBrowserOptions) => {
  const test = createTestBrowser(options);
  const { browser, watch, note } = test;
  const storages = new Map<VirtualTab, Storage>();
  const open = (tab: VirtualTab, how: 'wait' | 'steal' = 'wait') =>
    tab.platform.openStorage(how).subscribe({
      next: (storage) => {
        storages.set(tab, storage);
        note(`${tab.number} opens`);
      },
      error: (thrown: unknown) => {
        expect(thrown).toBeInstanceOf(StorageError);
        note(`${tab.number} fails: ${(thrown as Error).message}`);
      },
    });
  return {
    ...test,
    tabs: [1, 2, 3].map(() => browser.openTab()) as [VirtualTab, VirtualTab, VirtualTab],
    storages,
    open,
    write: (tab: VirtualTab, number: number) =>
      watch(`batch ${number}`, storages.get(tab)!.batch(createBatch(number), { durable: true })),
    read: (tab: VirtualTab) =>
      watch(`${tab.number} reads`, storages.get(tab)!.range(everything), (found) => JSON.stringify(contentsOf(found))),
  };
};

/** Returns the content after these batches as `read` shows it. */
export const shown = (numbers: readonly number[]): string => JSON.stringify(contentsAfter(numbers));
