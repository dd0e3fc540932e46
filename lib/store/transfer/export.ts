import { concat, concatMap, defer, from, type Observable, of, range, switchMap, timer } from 'rxjs';
import { type ObjectState, propertyValueOf } from '../../merge/object-state.js';
import type { Property, PropertyType, Shapes, TypeShape } from '../../model/schema.js';
import { compareValues, type Key } from '../../model/value.js';
import type { CommitContext } from '../commit/commit-context.js';
import type { Objects } from '../objects/objects.js';
import { cachedViewOf, type LazyObject, isVisible, stateOf } from '../objects/lazy-object.js';
import { toJson } from './json-values.js';
import { viewOf } from '../objects/object-view.js';

/** Name and version of the export format, in the first line. */
export const exportFormat = 'realm 1';

/** Objects per event-loop turn. They take a few milliseconds, so that the app stays responsive. */
const objectsPerTurn = 500;

const typeSuffixes = { value: '', counter: '', list: '[]', set: '<>', dictionary: '{}' } as const;

const typeOf = ({ container, kind, link, optional }: Property): PropertyType => {
  if (container === 'counter') return 'counter';
  return `${link ?? kind}${optional && kind !== 'mixed' ? '?' : ''}${typeSuffixes[container]}`;
};

/** Converts the schema to the form that an app writes, without defaults. */
const typesOf = (shapes: Shapes) =>
  Object.fromEntries(
    [...shapes.values()].map(({ name, primaryKey, properties }) => [
      name,
      {
        primaryKey: primaryKey.name,
        properties: Object.fromEntries([...properties.values()].map((each) => [each.name, typeOf(each)])),
      },
    ]),
  );

const propertyJsonOf = ({ container, kind, optional, name }: Property, state: ObjectState, held: unknown): unknown => {
  const each = (value: unknown): unknown => toJson(kind, value);
  if (container === 'list' || container === 'set') return (held as readonly unknown[]).map(each);
  if (container === 'dictionary') {
    return Object.fromEntries(Object.entries(held as object).map(([name, value]) => [name, each(value)]));
  }
  // No app has written the property since it was added to the schema. It is left out, so that an import may use a
  // default.
  return container === 'value' && !optional && propertyValueOf(state, name) === undefined ? undefined : each(held);
};

/** Valid in JSON, but line ends for Node's `readline`. */
const lineEnds = /[\u2028\u2029]/g;
const escapeLineEnd = (char: string): string => (char === '\u2028' ? '\\u2028' : '\\u2029');

const lineOf = (json: object): string => JSON.stringify(json).replace(lineEnds, escapeLineEnd);

interface ExportedObject {
  readonly shape: TypeShape;
  readonly key: Key;
  readonly entry: LazyObject;
}

const objectLineOf = ({ shape, key, entry }: ExportedObject): string => {
  const state = stateOf(entry);
  // The view is not cached: caching all of them would double the memory of the objects.
  const held = cachedViewOf(entry) ?? viewOf(shape, state, key);
  const object = Object.fromEntries(
    [...shape.properties.values()].map((property) => [
      property.name,
      property === shape.primaryKey ? key : propertyJsonOf(property, state, held[property.name]),
    ]),
  );
  return lineOf({ type: shape.name, object });
};

/** The objects that readers see now. Entries are replaced, never modified, so holding them is a snapshot. */
const takeSnapshot = (shapes: Shapes, objects: Objects): readonly ExportedObject[] => {
  const tables = objects.tables();
  return [...shapes.values()].flatMap((shape) =>
    [...(tables.get(shape.name) ?? [])]
      .flatMap(([key, entry]) => (isVisible(entry) ? [{ shape, key, entry }] : []))
      .sort((a, b) => compareValues(a.key, b.key)),
  );
};

type ExportParts = Pick<CommitContext, 'shapes' | 'objects' | 'clock' | 'checkOpen'>;

/** Emits the lines of a realm: see `exportRealm`. */
export const exportLines = ({ shapes, objects, clock, checkOpen }: ExportParts): Observable<string> =>
  defer(() => {
    checkOpen();
    const { scheduler } = clock;
    const all = takeSnapshot(shapes, objects);
    const lines = (turn: number): readonly string[] =>
      all.slice(turn * objectsPerTurn, (turn + 1) * objectsPerTurn).map(objectLineOf);
    const setAside = objects.setAside.all().length;
    const head = {
      tidemark: exportFormat,
      types: typesOf(shapes),
      objects: all.length,
      ...(setAside > 0 && { setAside }),
    };
    return concat(
      of(lineOf(head)),
      range(0, Math.ceil(all.length / objectsPerTurn)).pipe(
        concatMap((turn) =>
          turn === 0 ? from(lines(0)) : timer(0, scheduler).pipe(switchMap(() => from(lines(turn)))),
        ),
      ),
    );
  });
