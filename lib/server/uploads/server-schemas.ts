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
 * Schemas by patterns of realm names, in which `*` stands for any characters. The first pattern that matches counts. A
 * write that contradicts the schema of its realm is rejected with the code `schema`. Types and properties that the
 * schema does not name contradict nothing, so a newer app may add some.
 *
 * @example
 * ```ts
 * const schemas: RealmSchemas = {
 *   'team-*': { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } },
 * };
 * ```
 */
export type RealmSchemas = Readonly<Record<string, Schema>>;

/** Returns the schema of a realm; `null` if it has none and every write is accepted. */
export type SchemaOf = (realm: string) => Shapes | null;

const patternExpected = 'patterns of realm names (letters, digits, ".", "_", "~", "-", and "*" for any of them)';

const patternOf = (text: string): RegExp => {
  if (!/^[A-Za-z0-9._~*-]+$/.test(text)) throw new InvalidArgumentError('schemas', patternExpected, text);
  return new RegExp(`^${text.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
};

const checkShapes = (pattern: string, schema: unknown): Shapes => {
  try {
    return checkSchema(schema);
  } catch (thrown) {
    const isOurs = thrown instanceof SchemaError || thrown instanceof InvalidArgumentError;
    throw isOurs
      ? new InvalidArgumentError(`schemas["${pattern}"]`, `a valid schema (${thrown.message})`, schema)
      : thrown;
  }
};

/**
 * Checks the option `schemas`.
 *
 * @throws {@link InvalidArgumentError} for an invalid pattern or schema
 */
export const checkSchemas = (given: unknown): SchemaOf => {
  if (given === undefined) return () => null;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InvalidArgumentError('schemas', 'a record of schemas by patterns', given);
  }
  const all = Object.entries(given).map(([text, schema]) => [patternOf(text), checkShapes(text, schema)] as const);
  return (realm) => all.find(([pattern]) => pattern.test(realm))?.[1] ?? null;
};

/** Returns the objects whose operations contradict a schema, each with a reason. */
const contradictionsOf = (shapes: Shapes, operations: readonly Operation[]): readonly RejectedWrite[] => {
  const found = new Map<string, RejectedWrite>();
  for (const operation of operations) {
    const { type, key } = operation;
    const shape = shapes.get(type);
    const mismatch = shape ? findOperationMismatch(shape, operation) : null;
    const name = JSON.stringify([type, key]);
    if (mismatch === null || found.has(name) || found.size >= limits.rejectedReasonsMax) continue;
    const reason = `${mismatch.property} must be ${mismatch.expected}, received ${mismatch.stored}.`;
    found.set(name, { type, key, reason: reason.slice(0, limits.errorTextCharsMax) });
  }
  return [...found.values()];
};

/** Creates a check that rejects changesets that contradict the schema, and passes the others to `check`. */
export const createSchemaCheck =
  (shapes: Shapes, check: CreateBatchCheck): CreateBatchCheck =>
  () => {
    const batchCheck = check();
    return {
      checkPage: (replica, writer, page) => {
        const rejected = new Map<Version, RejectionDetails>();
        for (const { changeset, operations } of page) {
          const writes = contradictionsOf(shapes, operations);
          if (writes.length > 0) rejected.set(changeset.version, { code: 'schema', writes });
        }
        const rest = page.filter(({ changeset }) => !rejected.has(changeset.version));
        return batchCheck
          .checkPage(replica, writer, rest)
          .pipe(map((others): RejectionsByVersion => new Map([...rejected, ...others])));
      },
    };
  };
