import { concat, defer, EMPTY, map, of, throwError } from 'rxjs';
import { StorageError } from '../../lib/model/errors.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { StorageChange } from '../../lib/storage/storage.js';
import { storageSuite } from '../../lib/testing/index.js';
import { failureTextOf, failureTextsOf, titlesOf, type Suite } from './suite-complaints.js';
import {
  closingDefects,
  delayTurn,
  changeEntries,
  readingDefects,
  type Row,
  type StorageDefect,
} from './wrong-storages.js';

const suiteOf =
  (wrong: StorageDefect): Suite =>
  (runner) => {
    const open = defer(() => of(memoryStorage())).pipe(map((storage) => ({ ...storage, ...wrong(storage) })));
    storageSuite('mine', open, 'copy', runner);
  };

const onChanges =
  (change: (all: readonly StorageChange[]) => readonly StorageChange[]): StorageDefect =>
  ({ batch }) => ({ batch: (all, how) => defer(() => batch(change(all), how)) });

const isKey = ({ key }: StorageChange): boolean => /^[ -~]{1,2048}$/.test(key);
const isBytes = (change: StorageChange): boolean => change.type === 'del' || change.value instanceof Uint8Array;

const writing: readonly Row[] = [
  [
    'says that it is asynchronous, and is not',
    () => ({ isAsynchronous: true }),
    'completes no batch synchronously if it is asynchronous',
  ],
  [
    'stores only seven bits of each byte',
    changeEntries((entries) => entries.map(([key, value]) => [key, value.map((byte) => byte & 0x7f)])),
    'stores bytes unchanged',
  ],
  [
    'does not store empty values',
    onChanges((all) => all.filter((change) => change.type === 'del' || change.value.byteLength > 0)),
    'stores bytes unchanged',
  ],
  [
    'applies deletes before puts',
    onChanges((all) => [...all.filter(({ type }) => type === 'del'), ...all.filter(({ type }) => type === 'put')]),
    'applies the changes of a batch in their order',
  ],
  [
    'deletes no key',
    onChanges((all) => all.filter(({ type }) => type === 'put')),
    'overwrites and deletes, and accepts the delete of a missing key',
  ],
  [
    'errors for the delete of a missing key',
    ({ batch }) => ({
      batch: (all, how) =>
        all.some(({ key }) => key === 'nothing') ? throwError(() => new StorageError('no such key')) : batch(all, how),
    }),
    'overwrites and deletes, and accepts the delete of a missing key',
  ],
  [
    'ignores a put of a deleted key',
    ({ batch }) => {
      const deleted = new Set<string>();
      return {
        batch: (all, how) =>
          defer(() => {
            all.forEach(({ type, key }) => type === 'del' && deleted.add(key));
            return batch(
              all.filter(({ type, key }) => type === 'del' || !deleted.has(key)),
              how,
            );
          }),
      };
    },
    'removes any number of deleted entries, until they are put again',
  ],
  [
    'deletes at most 500 keys in a batch',
    onChanges((all) => {
      const most = all.filter(({ type }) => type === 'del').slice(0, 500);
      return all.filter((change) => change.type === 'put' || most.includes(change));
    }),
    'removes any number of deleted entries, until they are put again',
  ],
  [
    'lets other batches overtake a durable one',
    ({ batch }) => ({ batch: (all, how) => (how.durable ? delayTurn(() => batch(all, how)) : batch(all, how)) }),
    'applies batches in the order of their subscriptions, durable or not',
  ],
  [
    'completes a batch before it writes it',
    ({ batch }) => {
      let held: readonly StorageChange[] = [];
      return {
        batch: (all, how) =>
          defer(() => {
            const now = held;
            held = all;
            return batch(now, how);
          }),
      };
    },
    'shows a batch to every read after its completion',
  ],
  [
    'writes before it is subscribed',
    ({ batch }) => ({
      batch: (all, how) => {
        batch(all, how).subscribe({ error: () => undefined });
        return EMPTY;
      },
    }),
    'does nothing until subscribed, and completes a batch that is unsubscribed',
  ],
  [
    'cancels a batch that is unsubscribed',
    ({ batch }) => ({ batch: (all, how) => delayTurn(() => batch(all, how)) }),
    'does nothing until subscribed, and completes a batch that is unsubscribed',
  ],
  [
    'errors for an empty batch',
    ({ batch }) => ({
      batch: (all, how) => (all.length === 0 ? throwError(() => new StorageError('nothing')) : batch(all, how)),
    }),
    'completes an empty batch',
  ],
  [
    'skips invalid keys',
    onChanges((all) => all.filter(isKey)),
    'rejects a batch with one invalid key, and applies nothing of it',
  ],
  [
    'applies the changes before an invalid key',
    ({ batch }) => ({
      batch: (all, how) => {
        const wrong = all.findIndex((change) => !isKey(change));
        return concat(wrong > 0 ? batch(all.slice(0, wrong), how) : EMPTY, batch(all, how));
      },
    }),
    'rejects a batch with one invalid key, and applies nothing of it',
  ],
  [
    'errors with an error of its engine',
    ({ batch }) => ({
      batch: (all, how) => (all.every(isKey) ? batch(all, how) : throwError(() => new TypeError('key'))),
    }),
    'rejects a batch with one invalid key, and applies nothing of it',
  ],
  [
    'skips values that are not bytes',
    onChanges((all) => all.filter(isBytes)),
    'rejects a batch with one value that is not bytes, and applies nothing of it',
  ],
  [
    'reads many keys in the order of the storage',
    ({ range }) => ({
      readMany: (keys) =>
        range({ from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity }).pipe(
          map((all) => [...keys].sort().map((key) => all.find(([each]) => each === key)?.[1])),
        ),
    }),
    'reads many keys in their order, if it can',
  ],
  [
    'rejects all batches after an invalid one',
    ({ batch }) => {
      let isBroken = false;
      return {
        batch: (all, how) =>
          defer(() => {
            isBroken ||= !all.every(isKey);
            return isBroken ? throwError(() => new StorageError('broken')) : batch(all, how);
          }),
      };
    },
    'applies the batches next to a rejected one',
  ],
];

const wrongs: readonly Row[] = [...readingDefects, ...writing, ...closingDefects];

describe('the suite of storages', () => {
  const right = suiteOf(() => ({}));

  it('finds nothing wrong with a correct storage', async () => {
    expect(await failureTextsOf(right)).toEqual({});
  });

  it.each(wrongs)('finds one that %s', async (_, wrong, title) => {
    expect(await failureTextOf(suiteOf(wrong), title)).toMatch(/^(?!hangs$)./);
  });

  it('has no test without a defect that it finds', () => {
    expect(new Set(wrongs.map(([, , title]) => title))).toEqual(new Set(titlesOf(right)));
  });
});
