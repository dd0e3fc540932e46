import { NEVER, queueScheduler } from 'rxjs';
import type { Changeset } from '../../../lib/model/changeset.js';
import { openStoreWith } from '../test-kit.js';

const schema = { Note: { primaryKey: 'id', properties: { id: 'string' } } } as const;

describe('the pages of the outbox', () => {
  it('leave out changesets that were acknowledged between the request and the read', () => {
    const store = openStoreWith(schema);
    for (const id of ['a', 'b']) store.write((tx) => tx.create('Note', { id })).subscribe();
    const pages: (readonly Changeset[])[] = [];
    const failures: unknown[] = [];
    // In the microtask queue, as with a server in the same process: the read waits until this has run.
    queueScheduler.schedule(() => {
      store
        .uploads(0, NEVER)
        .subscribe({ next: (page) => pages.push(page), error: (thrown: unknown) => failures.push(thrown) });
      store.acknowledge(1).subscribe();
    });
    expect(failures).toEqual([]);
    expect(pages.map((page) => page.map(({ version }) => version))).toEqual([[2]]);
  });

  it('are empty when all changesets were acknowledged', () => {
    const store = openStoreWith(schema);
    store.write((tx) => tx.create('Note', { id: 'a' })).subscribe();
    const emitted: unknown[] = [];
    queueScheduler.schedule(() => {
      store
        .uploads(0, NEVER)
        .subscribe({ next: (page) => emitted.push(page), error: (thrown: unknown) => emitted.push(thrown) });
      store.acknowledge(1).subscribe();
    });
    expect(emitted).toEqual([]);
  });
});
