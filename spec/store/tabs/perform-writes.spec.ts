import { firstValueFrom, throwError } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import { memoryStorage, StorageError } from '../../../lib/index.js';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import { checkSchema } from '../../../lib/model/schema.js';
import { StorageTakenOverError } from '../../../lib/model/taken-over-error.js';
import { wrapStorage } from '../../../lib/storage/wrap-storage.js';
import { openLocalStore } from '../../../lib/store/open-store.js';
import { createWritePerformer } from '../../../lib/store/tabs/perform-writes.js';
import type { TabAnswer, TabWrite } from '../../../lib/store/tabs/tab-write.js';

const shapes = checkSchema({ Task: { primaryKey: 'id', properties: { id: 'string' } } });
const replica = 'A'.repeat(20);
const createWrite = (key: string, time: number): TabWrite => ({
  ...{ method: 'write', rejected: 0, replica, time, count: 0 },
  body: encodeOperations([{ kind: 'create', type: 'Task', key, values: { id: key } }]),
});

/** Performs a message on a storage whose batches fail from then on. Returns the answers; `null` without any. */
const performWith = async (error: Error): Promise<readonly TabAnswer[] | null> => {
  const inner = memoryStorage();
  let isFailing = false;
  const storage = wrapStorage(inner, {
    batch: (changes, options) => (isFailing ? throwError(() => error) : inner.batch(changes, options)),
  });
  const store = await firstValueFrom(openLocalStore({ storage, shapes, clock: systemClock }));
  isFailing = true;
  let answered: readonly TabAnswer[] | null = null;
  const message = { number: 1, writes: [createWrite('a', 1), createWrite('b', 2)] };
  createWritePerformer(store, new Map()).perform('tab', message, (answers) => (answered = answers));
  return answered;
};

describe('a message with writes of another tab', () => {
  it('is answered with the error of each write that cannot be stored', async () => {
    const answers = await performWith(new StorageError('The disk is full.'));
    expect(answers).toEqual([
      { error: expect.objectContaining({ code: 'storage', message: 'The disk is full.' }) as unknown },
      { error: expect.objectContaining({ code: 'invalid-state' }) as unknown },
    ]);
  });

  it('is not answered when another tab has taken over the storage, because the next leader answers it', async () => {
    expect(await performWith(new StorageTakenOverError('Another tab leads.'))).toBeNull();
  });

  it('does no harm with operations that cannot be read, also when a part of the message is stored already', async () => {
    const store = await firstValueFrom(openLocalStore({ storage: memoryStorage(), shapes, clock: systemClock }));
    const perform = (number: number, writes: readonly TabWrite[]): readonly TabAnswer[] | null => {
      let answered: readonly TabAnswer[] | null = null;
      performer.perform('tab', { number, writes }, (answers) => (answered = answers));
      return answered;
    };
    const performer = createWritePerformer(store, new Map());
    const forged: TabWrite = { ...createWrite('b', 2), body: Uint8Array.of(1, 2, 3) };
    const stored = { version: expect.any(Number) as unknown };
    const error = { code: 'storage' };
    expect(perform(1, [createWrite('a', 1)])).toMatchObject([stored]);
    expect(perform(1, [forged, forged])).toMatchObject([stored, { error }]);
    expect(perform(1, [createWrite('a', 1), createWrite('c', 2)])).toMatchObject([stored, stored]);
    expect(perform(2, [forged])).toMatchObject([{ error }]);
    expect(perform(2, [createWrite('d', 3)])).toMatchObject([stored]);
  });
});
