import { encodeValue } from '../../model/msgpack.js';
import type { Greeting } from '../../model/sync-port.js';
import { noView, type ViewFilter } from '../../model/view.js';
import type { Value } from '../../model/value.js';

/**
 * Bytes and values of the filters that a bind can have. A server reads at most 64 KiB and 4 096 values before it has
 * checked the token, and a bind may have a token of 16 KiB and 1 000 runs of three values each.
 */
const bindFilterBytesMax = 24 * 1024;
const bindFilterValuesMax = 900;

const countValues = (value: unknown): number =>
  Array.isArray(value) ? value.reduce((sum: number, each) => sum + countValues(each), 1) : 1;

const fitsBind = (filters: readonly ViewFilter[]): boolean =>
  filters.reduce((sum, { filter }) => sum + 3 + countValues(filter), 0) <= bindFilterValuesMax &&
  encodeValue(filters.map(({ type, filter }) => [type, filter as Value])).byteLength <= bindFilterBytesMax;

/**
 * Returns what a bind sends. The filters of a view may be larger than a bind can be. Then the server has to send the
 * whole view again.
 */
export const cutView = (greeting: Greeting): Greeting =>
  greeting.view === undefined || fitsBind(greeting.view.filters) ? greeting : { ...greeting, view: noView };
