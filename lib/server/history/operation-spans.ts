import { decodeRowSpans, joinRows } from '../../model/msgpack.js';
import { objectTextOf } from '../../model/object-key.js';
import type { ServerChangeset } from '../../model/changeset.js';
import type { HistoryRecord } from './history-record.js';

/** An operation of a changeset, and where its bytes are. */
export interface OperationSpan {
  readonly record: HistoryRecord;
  /** Number of operations of the changeset. */
  readonly all: number;
  /** The place of the operation among them. */
  readonly index: number;
  /** Whether the operation writes properties, or makes or deletes its object. */
  readonly isWrite: boolean;
  readonly from: number;
  readonly to: number;
}

/** Operations by the texts of their objects, in the order of the history. */
export type OperationSpans = ReadonlyMap<string, readonly OperationSpan[]>;

/** The kinds of operations up to this number write properties: create, update and delete. */
const lastWriteKind = 3;

/** Returns the operations of changesets without decoding them; `null` for a damaged body. */
export const operationSpansOf = (records: readonly HistoryRecord[]): OperationSpans | null => {
  const spans = new Map<string, OperationSpan[]>();
  for (const record of records) {
    const rows = decodeRowSpans(record.body, 3);
    if (rows === null) return null;
    for (const [index, { start, from, to }] of rows.entries()) {
      const [kind, type, key] = start;
      if (typeof type !== 'string' || (typeof key !== 'string' && typeof key !== 'number')) return null;
      const text = objectTextOf(type, key);
      const span = { record, all: rows.length, index, isWrite: Number(kind) <= lastWriteKind, from, to };
      const known = spans.get(text);
      if (known) known.push(span);
      else spans.set(text, [span]);
    }
  }
  return spans;
};

/** Operations of one changeset that follow each other. */
const pieceOf = (run: readonly OperationSpan[]): ServerChangeset[] => {
  const [first] = run;
  if (first === undefined) return [];
  const { record, all, index } = first;
  const { version, origin, time, count, body } = record;
  if (run.length === all) return [{ version, origin, time, count, body }];
  // The stamp of an operation is the count of its changeset and its place, so that the first one keeps its stamp.
  const rows = run.map(({ from, to }) => body.subarray(from, to));
  return [{ version, origin, time, count: count + index, body: joinRows(rows) }];
};

/**
 * Returns pieces of changesets that have these operations and no others, in the order of the history. A piece is a
 * changeset with operations that follow each other in one changeset, with the same stamps.
 */
export const piecesOf = (spans: Iterable<OperationSpan>): readonly ServerChangeset[] => {
  const sorted = [...spans].sort((a, b) => a.record.version - b.record.version || a.index - b.index);
  const pieces: ServerChangeset[] = [];
  let run: OperationSpan[] = [];
  for (const span of sorted) {
    const last = run.at(-1);
    if (last !== undefined && (last.record.version !== span.record.version || last.index + 1 !== span.index)) {
      pieces.push(...pieceOf(run));
      run = [];
    }
    run.push(span);
  }
  return [...pieces, ...pieceOf(run)];
};
