import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import type { AnyRealm } from '../../lib/client/any-realm.js';
import { exportRealm } from '../../lib/client/transfer-realm.js';
import { ImportError, memoryStorage, openRealm, type Realm, type Schema, type Storage } from '../../lib/index.js';

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});
export const openTestRealm = async <const S extends Schema>(schema: S, storage: Storage = memoryStorage()) => {
  // The schema is known only at run time, so the compiler cannot check it.
  const open = openRealm as (options: object) => Promise<unknown>;
  const realm = (await open({ schema, storage })) as Realm<S>;
  opened.push(realm.close);
  return realm;
};

export const small = {
  Task: {
    primaryKey: 'id',
    properties: { id: 'string', title: 'string', due: 'date?', raw: 'data?', votes: 'counter' },
  },
} as const;
export const createTask = (id: string, more: object = {}) => ({ id, title: id, ...more });
export const openTasks = async (...objects: readonly ReturnType<typeof createTask>[]) => {
  const realm = await openTestRealm(small);
  await realm.write((tx) => {
    for (const each of objects) tx.create('Task', each);
  });
  return realm;
};

export const exportLines = (realm: AnyRealm) => lastValueFrom(exportRealm(realm).pipe(toArray()));
export const readAll = (realm: { readonly objects$: Realm<Schema>['objects$'] }, type: string) =>
  firstValueFrom(realm.objects$(type));
export const header = JSON.stringify({ tidemark: 'realm 1', types: small });
export const createLine = (values: object) => JSON.stringify({ type: 'Task', object: values });
export const importFailureOf = async (work: Promise<unknown>): Promise<ImportError> => {
  const thrown = await work.then(
    () => 'nothing was wrong',
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(ImportError);
  return thrown as ImportError;
};
export const toPlainRealm = (of: Realm<typeof small>) => of as unknown as Realm<Schema>;
