import type { Schema } from '../../lib/model/schema.js';

/** A schema with every kind of single value except `mixed`, for tests of its types and of its shape. */
export const schema = {
  Task: {
    primaryKey: 'id',
    properties: {
      id: 'uuid',
      title: 'string',
      done: 'bool',
      votes: 'int?',
      weight: 'double',
      due: 'date?',
      photo: 'data?',
    },
  },
  Room: { primaryKey: 'number', properties: { number: 'int', name: 'string?' } },
} as const satisfies Schema;
