import type { Realm } from 'tidemark';
import { injectObjects, injectObject, provideRealm, createRealmToken } from 'tidemark/angular';

const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } },
} as const;
const notes = { Note: { primaryKey: 'id', properties: { id: 'int', text: 'string' } } } as const;
declare module 'tidemark/angular' {
  interface RegisteredRealm {
    schema: typeof schema;
  }
}
const token = createRealmToken<typeof notes>('notes');
export const a = () => injectObjects('Task', () => ({ where: { done: true } })).value()[0]?.title.length;
export const b = () => injectObjects('Note', {}, { realm: token }).value()[0]?.text.length;
export const c = () => injectObject('Note', () => 4, { realm: token }).value()?.text.length;
// @ts-expect-error wrong type
export const d = () => injectObjects('Tusk');
// @ts-expect-error wrong property
export const e = () => injectObjects('Task', { where: { nope: 1 } });
export const f = provideRealm({ schema, storage: 'a' });
export const g = provideRealm({ schema: notes, storage: 'a' }, token);
export const h = provideRealm(() => ({ schema: notes, storage: 'a', sync: { realm: 'x' } }), token);
// @ts-expect-error the schema of the token is another one
export const i = provideRealm({ schema, storage: 'a' }, token);
// @ts-expect-error invalid property type
export const j = provideRealm({ schema: { T: { primaryKey: 'id', properties: { id: 'strang' } } }, storage: 'a' });
export type R = Realm<typeof schema>;
