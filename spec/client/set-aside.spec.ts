import { firstValueFrom, map, toArray } from 'rxjs';
import { exportRealm, importRealm } from '../../lib/client/transfer-realm.js';
import { ObjectSetAsideError, SchemaError, type Schema } from '../../lib/index.js';
import {
  createKeptStorage,
  waitUntilInStep,
  open,
  upsertTask,
  schemaOf,
  setAsideOf,
  createTeam,
} from './app-versions-kit.js';

const older = schemaOf({ p: 'int', q: 'string?' });
const newer = schemaOf({ p: 'int?', q: 'string?' });
const apart = { type: 'Task', key: 'a', property: 'p', stored: 'null' };

/** Creates an object that the older app cannot show, and one that it can. */
const misfit = async () => {
  const { app, events, server } = createTeam();
  const old = await app(older);
  const late = await app(newer);
  await upsertTask(late, { id: 'a', p: null });
  await upsertTask(late, { id: 'b', p: 1 });
  await waitUntilInStep(late, old);
  const same = () => waitUntilInStep(late, old);
  return { app, events, server, old, late, same };
};

const keys = ({ realm }: { realm: Awaited<ReturnType<typeof open>> }) =>
  firstValueFrom(realm.objects$('Task').pipe(map((all) => all.map((each) => (each as { id: unknown }).id))));

describe('field report B-1: an object that does not fit this app', () => {
  it('is hidden and listed, is reported once, and all other changes are synced both ways', async () => {
    const { old, late, events, same } = await misfit();
    expect(await keys(old)).toEqual(['b']);
    expect(old.realm.get('Task', 'a')).toBeUndefined();
    expect(await setAsideOf(old)).toMatchObject([
      { ...apart, expected: expect.stringContaining('whole number') as string },
    ]);
    expect(old.realm.stats()).toMatchObject({ objects: { Task: 1 }, setAside: 1, tombstones: 0 });
    await late.realm.write((tx) => tx.update('Task', 'a', { q: 'still' } as never));
    await upsertTask(old, { id: 'c', p: 3 });
    await same();
    expect(await keys(late)).toEqual(['a', 'b', 'c']);
    expect(old.errors).toMatchObject([{ code: 'object-set-aside', level: 'object', fatal: false, object: apart }]);
    expect(old.errors[0]).toBeInstanceOf(ObjectSetAsideError);
    expect(old.errors[0]?.message).toMatch(/^Task\["a"\] is set aside: its p does not fit .* stored is null\.$/);
    expect(events.filter(({ event }) => event === 'fault')).toHaveLength(1);
    expect([old.session.syncState, old.session.connectionState]).toEqual(['active', 'connected']);
  });

  it('comes back by itself when it fits again, and goes when it is deleted', async () => {
    const { old, late, same } = await misfit();
    const changes = firstValueFrom(old.realm.changes$('Task'));
    await late.realm.write((tx) => tx.update('Task', 'a', { p: 5 } as never));
    await same();
    expect((await changes).inserted).toEqual(new Set(['a']));
    expect(old.realm.get('Task', 'a')).toMatchObject({ id: 'a', p: 5 });
    const removal = firstValueFrom(old.realm.changes$('Task'));
    await late.realm.write((tx) => tx.update('Task', 'a', { p: null } as never));
    await same();
    expect((await removal).deleted).toEqual(new Set(['a']));
    await late.realm.write((tx) => tx.delete('Task', 'a'));
    await same();
    expect(await setAsideOf(old)).toEqual([]);
    expect(old.errors).toHaveLength(1);
  });

  it('is in a stream that replays, emits every change and completes with the realm', async () => {
    const { old, late, same } = await misfit();
    const changes = firstValueFrom(
      old.realm.setAside$.pipe(
        map((all) => all.map(({ key }) => key)),
        toArray(),
      ),
    );
    await upsertTask(late, { id: 'd', p: null });
    await same();
    await late.realm.write((tx) => tx.delete('Task', 'a'));
    await same();
    await old.realm.close();
    expect(await changes).toEqual([['a'], ['a', 'd'], ['d']]);
  });

  it('can only be deleted: other writes report the cause', async () => {
    const { old, late, same } = await misfit();
    const expectRejected = (change: (tx: never) => void) =>
      old.realm.write(change as never).catch((thrown: unknown) => thrown);
    type Tx = { update: (...args: unknown[]) => void; create: (...args: unknown[]) => void };
    for (const change of [
      (tx: Tx) => tx.update('Task', 'a', { q: 'x' }),
      (tx: Tx) => tx.create('Task', { id: 'a', p: 1 }),
    ]) {
      const error = await expectRejected(change);
      expect(error).toBeInstanceOf(SchemaError);
      expect((error as SchemaError).message).toMatch(
        /^Task\["a"\]\.p must be a whole number .*, received null\. .*set aside.*deleted/,
      );
    }
    await old.realm.write((tx) => {
      tx.delete('Task', 'a');
      tx.create('Task', { id: 'a', p: 9 });
    });
    await same();
    expect(late.realm.get('Task', 'a')).toMatchObject({ p: 9 });
    expect(await setAsideOf(old)).toEqual([]);
  });

  it('is set aside again after a restart, and shown by a version of the app that can', async () => {
    const { app } = createTeam();
    const late = await app(newer);
    const storage = createKeptStorage();
    const first = await app(older, storage);
    await upsertTask(late, { id: 'a', p: null });
    await waitUntilInStep(late, first);
    await first.realm.close();
    const again = await app(older, storage);
    expect(await setAsideOf(again)).toMatchObject([apart]);
    expect(again.errors).toHaveLength(1);
    await again.realm.close();
    const updated = await app(newer, storage);
    expect(await setAsideOf(updated)).toEqual([]);
    expect(updated.realm.get('Task', 'a')).toMatchObject({ id: 'a', p: null });
    await upsertTask(updated, { id: 'x', p: null });
    await updated.realm.close();
    const back = await app(older, storage);
    expect((await setAsideOf(back)).map(({ key }) => key)).toEqual(['a', 'x']);
    await waitUntilInStep(back, late);
  });

  it('does not hold up writes of this app that were made before, offline, to the same object', async () => {
    const { app } = createTeam();
    const late = await app(newer);
    const old = await app(older);
    await upsertTask(old, { id: 'a', p: 1 });
    await waitUntilInStep(old, late);
    old.session.pause();
    await old.realm.write((tx) => tx.update('Task', 'a', { q: 'mine' } as never));
    await late.realm.write((tx) => tx.update('Task', 'a', { p: null } as never));
    await waitUntilInStep(late);
    old.session.resume();
    await waitUntilInStep(old, late);
    expect(late.realm.get('Task', 'a')).toMatchObject({ p: null, q: 'mine' });
    expect(await setAsideOf(old)).toMatchObject([apart]);
  });

  it('is reported for a hundred objects, then once for all others', async () => {
    const { app, events } = createTeam();
    const late = await app(newer);
    const old = await app(older);
    await late.realm.write((tx) => {
      for (let at = 0; at < 150; at += 1) tx.create('Task', { id: `t${at}`, p: null });
    });
    await waitUntilInStep(late, old);
    await upsertTask(late, { id: 'more', p: null });
    await waitUntilInStep(late, old);
    expect(await setAsideOf(old)).toHaveLength(151);
    expect(old.errors).toHaveLength(101);
    expect(old.errors.at(-1)).toMatchObject({ object: null, message: expect.stringContaining('setAside$') as string });
    expect(events.filter(({ event }) => event === 'fault')).toHaveLength(1);
  });

  it('is left out of an export, which contains their number', async () => {
    const { old } = await misfit();
    const lines = await firstValueFrom(exportRealm(old.realm).pipe(toArray()));
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { objects: 1, setAside: 1 },
      { object: { id: 'b' } },
    ]);
    const copy = await open({ schema: older, storage: createKeptStorage() });
    expect(await importRealm(copy, lines)).toMatchObject({ created: 1 });
  });
});

describe('field report C-1: a local realm whose schema was changed without a migration', () => {
  const before: Schema = schemaOf({ n: 'string', due: 'int' });
  const written = async (schema: Schema = before) => {
    const storage = createKeptStorage();
    const realm = await open({ schema, storage });
    await upsertTask({ realm }, { id: 'a', n: 'text', due: 5 });
    await realm.close();
    return storage;
  };
  const rejected = (options: object) =>
    open(options).then(
      () => null,
      (thrown: unknown) => thrown as SchemaError,
    );

  it('is rejected with its property, the stored and the required type, and advice', async () => {
    const storage = await written();
    const error = await rejected({ schema: schemaOf({ n: 'int', due: 'int' }), storage });
    expect(error).toBeInstanceOf(SchemaError);
    expect(error?.message).toBe(
      'Task["a"].n must be a whole number from -(2^53 - 1) to 2^53 - 1, received "text". Raise schemaVersion and pass a migrate function that changes the stored objects.',
    );
    expect(error?.violation).toMatchObject({ type: 'Task', key: 'a', property: 'n' });
    const same = await open({ schema: before, storage });
    expect(same.get('Task', 'a')).toEqual({ id: 'a', n: 'text', due: 5 });
  });

  it('is rejected also with a new version without a complete migration; the old data is kept', async () => {
    const storage = await written();
    const schema = schemaOf({ n: 'int', due: 'bool' });
    const half = (tx: { update: (...args: unknown[]) => void }) => tx.update('Task', 'a', { n: 1 });
    expect((await rejected({ schema, storage, schemaVersion: 1 }))?.message).toMatch(/\.n must .*migrate/);
    expect((await rejected({ schema, storage, schemaVersion: 1, migrate: half }))?.message).toMatch(
      /\.due must .*migrate/,
    );
    const whole = (tx: { update: (...args: unknown[]) => void }) => tx.update('Task', 'a', { n: 1, due: true });
    const migrated = await open({ schema, storage, schemaVersion: 1, migrate: whole });
    expect(migrated.get('Task', 'a')).toEqual({ id: 'a', n: 1, due: true });
    await migrated.close();
    expect((await open({ schema, storage, schemaVersion: 1 })).get('Task', 'a')).toEqual({
      id: 'a',
      n: 1,
      due: true,
    });
  });

  it('is opened when the stored objects fit anyway, or are deleted', async () => {
    const storage = await written();
    const wider = await open({ schema: schemaOf({ n: 'string?', due: 'date', more: 'int' }), storage });
    expect(wider.get('Task', 'a')).toEqual({ id: 'a', n: 'text', due: new Date(5), more: 0 });
    await wider.write((tx) => tx.delete('Task', 'a'));
    await wider.close();
    expect(await rejected({ schema: schemaOf({ n: 'bool' }), storage })).toBeNull();
  });

  it('is found out after a time with yet another schema, too', async () => {
    const storage = await written();
    const between = await open({ schema: schemaOf({ n: 'mixed', due: 'int' }), storage });
    await upsertTask({ realm: between }, { id: 'b', n: [1], due: 1 });
    await between.close();
    expect((await rejected({ schema: before, storage }))?.message).toMatch(
      /^Task\["b"\]\.n must be a string, received an array of 1/,
    );
  });
});
