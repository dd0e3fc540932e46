import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import { checkSchema } from '../../../lib/model/schema.js';
import { createRejectedList, type KeptRejection } from '../../../lib/store/rejected/rejected-list.js';
import { MirroredStore } from '../../../lib/store/tabs/mirrored-store.js';

const shapes = checkSchema({ Task: { primaryKey: 'id', properties: { id: 'string' } } });
const clock = { now: () => 0, random: () => 0, scheduler: { now: () => 0, schedule: () => undefined as never } };
const outbox = { written: 1, acknowledged: 1, acknowledgedBytes: 0, changesets: 0, bytes: 0 };

const createRejection = (id: number): KeptRejection => ({
  ...{ id, replica: 'A'.repeat(20), code: 'not-permitted', operations: [] },
  writes: [{ type: 'Task', key: 'a', reason: 'no' }],
  changeset: { version: id, time: 1, count: 0, body: encodeOperations([{ kind: 'delete', type: 'Task', key: 'a' }]) },
});
const recordsOf = (...ids: readonly number[]) => createRejectedList(ids.map(createRejection)).dump();

/** A mirror that has one rejected write, and the lists that it shows. */
const createMirror = () => {
  const mirror = new MirroredStore(shapes, clock);
  mirror.describe(recordsOf(1), outbox);
  const shown: (readonly number[])[] = [];
  mirror.rejected$.subscribe((all) => shown.push(all.map(({ id }) => id)));
  return { mirror, shown };
};

describe('the rejected writes of a tab', () => {
  it('stay listed while everything is read again', () => {
    const { mirror, shown } = createMirror();
    mirror.reset(recordsOf(1, 2), outbox, true);
    expect(shown).toEqual([[1], [1, 2]]);
  });

  it('stay listed when the tab stops to lead', () => {
    const { mirror, shown } = createMirror();
    mirror.adopt(recordsOf(1), outbox);
    mirror.describe(recordsOf(1), outbox);
    expect(shown.every((ids) => ids.length === 1)).toBe(true);
  });

  it('are gone when the other tab has none', () => {
    const { mirror, shown } = createMirror();
    mirror.reset([], outbox, true);
    expect(shown).toEqual([[1], []]);
  });
});
