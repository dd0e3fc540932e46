import { map } from 'rxjs';
import { findOperationMismatch } from '../../merge/check-schema-fit.js';
import type { Operation } from '../../merge/operation.js';
import type { RejectedWrite } from '../../model/changeset.js';
import { InvalidArgumentError, SchemaError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { checkSchema, type Schema, type Shapes } from '../../model/schema.js';
import type { Version } from '../../model/version.js';
import type { RejectionDetails } from './incoming-changeset.js';
import type { CreateBatchCheck, RejectionsByVersion } from './permit-check.js';

/**
 * Schemas by patterns of realm names, in which `*` stands for any characters: the first pattern that a name is of
 * counts. A write that contradicts its realm's schema is rejected with the code `schema`. Types and properties that the
 * schema does not name contradict nothing, so that a newer app may add some.
 *
 * @example schemas: { 'team-*': { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } }
 */
export type RealmSchemas = Readonly<Record<string, Schema>>;

/** The schema of a realm; `null`: it has none, and everything is taken. */
export type SchemaOf = (realm: string) => Shapes | null;

const patternExpected = 'patterns of realm names: letters, digits, ".", "_", "~", "-", and "*" for any of them';

const patternOf = (text: string): RegExp => {
  if (!/^[A-Za-z0-9._~*-]+$/.test(text)) throw new InvalidArgumentError('schemas', patternExpected, text);
  return new RegExp(`^${text.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
};

const checkShapes = (pattern: string, schema: unknown): Shapes => {
  try {
    return checkSchema(schema);
  } catch (thrown) {
    const isOurs = thrown instanceof SchemaError || thrown instanceof InvalidArgumentError;
    throw isOurs ? new InvalidArgumentError(`schemas["${pattern}"]`, `a schema (${thrown.message})`, schema) : thrown;
  }
};

/** Throws an `InvalidArgumentError` for patterns or schemas that are invalid. */
export const checkSchemas = (given: unknown): SchemaOf => {
  if (given === undefined) return () => null;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InvalidArgumentError('schemas', 'a record of patterns to schemas', given);
  }
  const all = Object.entries(given).map(([text, schema]) => [patternOf(text), checkShapes(text, schema)] as const);
  return (realm) => all.find(([pattern]) => pattern.test(realm))?.[1] ?? null;
};

/** What of some operations contradicts a schema, by object, with a reason each; empty: nothing. */
const contradictionsOf = (shapes: Shapes, operations: readonly Operation[]): readonly RejectedWrite[] => {
  const found = new Map<string, RejectedWrite>();
  for (const operation of operations) {
    const { type, key } = operation;
    const shape = shapes.get(type);
    const misfit = shape ? findOperationMismatch(shape, operation) : null;
    const name = JSON.stringify([type, key]);
    if (misfit === null || found.has(name) || found.size >= limits.rejectedReasonsMax) continue;
    const reason = `${misfit.property} has to be ${misfit.expected}, and was ${misfit.stored}`;
    found.set(name, { type, key, reason: reason.slice(0, limits.errorTextCharsMax) });
  }
  return [...found.values()];
};

/** Rejects what contradicts a schema, and asks another judge of the rest. */
export const createSchemaCheck =
  (shapes: Shapes, check: CreateBatchCheck): CreateBatchCheck =>
  () => {
    const judging = check();
    return {
      checkPage: (replica, user, page) => {
        const rejected = new Map<Version, RejectionDetails>();
        for (const { changeset, operations } of page) {
          const writes = contradictionsOf(shapes, operations);
          if (writes.length > 0) rejected.set(changeset.version, { code: 'schema', writes });
        }
        const rest = page.filter(({ changeset }) => !rejected.has(changeset.version));
        return judging
          .checkPage(replica, user, rest)
          .pipe(map((refusals): RejectionsByVersion => new Map([...rejected, ...refusals])));
      },
    };
  };
