import { objectHashOf } from '../lib/merge/object-hash.js';
import { decodeOperationsWithin, encodeOperations } from '../lib/merge/operation-codec.js';
import { skimOperations } from '../lib/merge/operation-skimmer.js';
import { limits } from '../lib/model/limits.js';
import { countEncodedValues } from '../lib/model/msgpack.js';
import { isLeft } from '../lib/model/result.js';
import { decodeClient } from '../lib/protocol/codec.js';

/**
 * Compares skimming with decoding. Returns what differs, or `null`.
 *
 * A body of which the decoder drops values may be decoded instead of skimmed: one that has a name twice in a record.
 */
export const findSkimmingFault = (
  body: Uint8Array,
  operationsMax: number = limits.operationsMax,
  valuesMax: number = limits.valuesMax,
): string | null => {
  const skimmed = skimOperations(body, operationsMax, valuesMax);
  const decoded = decodeOperationsWithin(body, operationsMax, valuesMax);
  if (isLeft(decoded)) return skimmed === null ? null : `skimming accepts what decoding rejects: ${decoded.left.text}`;
  const operations = decoded.right;
  if (skimmed === null) {
    const hasDropped = countEncodedValues(encodeOperations(operations)) < countEncodedValues(body);
    return hasDropped ? null : 'skimming rejects what decoding accepts';
  }
  const hashes = operations.map(({ type, key }) => objectHashOf(type, key));
  const addsElements = operations.some(({ kind }) => kind === 'insert' || kind === 'put');
  return skimmed.operations === operations.length &&
    skimmed.addsElements === addsElements &&
    skimmed.hashes.length === hashes.length &&
    skimmed.hashes.every((hash, at) => hash === hashes[at])
    ? null
    : `skimming found ${JSON.stringify(skimmed)} instead of ${JSON.stringify({ addsElements, hashes })}`;
};

/** Compares skimming with decoding for each body in a frame. Returns what differs, or `null`. */
export const findSkimmingFaultInFrame = (frame: Uint8Array): string | null => {
  const message = decodeClient(frame);
  if (isLeft(message) || message.right.type !== 'upload') return null;
  for (const { body } of message.right.changesets) {
    const fault = findSkimmingFault(body);
    if (fault !== null) return `${fault}, in ${Buffer.from(body.subarray(0, 2_000)).toString('hex')}`;
  }
  return null;
};
