import type { Bound } from '../../lib/protocol/messages.js';
import { limits } from '../../lib/model/limits.js';

const { changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax } = limits;

/**
 * The last fields of a `bound` from a server that knows no stamp, has the usual limits, has trimmed nothing and decided
 * nothing.
 */
export const boundFields: Pick<Bound, 'stamp' | 'limits' | 'retentionCutoff' | 'decided'> = {
  stamp: null,
  limits: { changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax },
  retentionCutoff: null,
  decided: 0,
};
