import type { Realm, SyncSession } from 'tidemark';

export const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } },
} as const;

export type TaskRealm = Realm<typeof schema, SyncSession>;
