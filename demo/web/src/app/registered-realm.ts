import type { ObjectOf } from 'tidemark';
import type { schema } from './schema';

/** Gives the functions of `tidemark/angular` the types of the schema. */
declare module 'tidemark/angular' {
  interface RegisteredRealm {
    schema: typeof schema;
  }
}

export type Task = ObjectOf<typeof schema, 'Task'>;
