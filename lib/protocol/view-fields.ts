import { limits } from '../model/limits.js';
import type { PlacedView, ViewFilter, ViewMode, ViewRejection } from '../model/view.js';
import { anyValue, code, count, errorText, type Field, oneOf, optionalOf, ordinal, textOf } from './field-codec.js';
import { recordOf, rowsOf } from './record-fields.js';
import type { BoundView } from './view-messages.js';

/** The id of a scope. */
export const scopeId = optionalOf(textOf(1, limits.idCharsMax));

/** A position in the members of a view. Only the server knows what it means. */
export const viewPosition = optionalOf(textOf(0, limits.viewPositionCharsMax));

export const viewMode: Field<ViewMode> = oneOf('difference', 'resync');

/**
 * The filters of a set of subscriptions: `[id, type, filter]` each. A filter is any value: the server checks it, and
 * rejects this subscription only.
 */
export const viewFilters = rowsOf(
  'filters',
  recordOf<ViewFilter>({ id: ordinal, type: textOf(1, limits.nameCharsMax), filter: anyValue }),
  limits.subscriptionsMax,
);

/** The rejected subscriptions: `[id, code, text]` each. */
export const viewRejections = rowsOf(
  'rejections',
  recordOf<ViewRejection>({ id: ordinal, code, text: errorText }),
  limits.subscriptionsMax,
);

/** The placed view of a replica: `[number, filters, scope]`. */
export const placedView = recordOf<PlacedView>({ number: optionalOf(count), filters: viewFilters, scope: scopeId });

/** The way in which a replica with a view goes on: `[mode, scope]`. */
export const boundView = recordOf<BoundView>({ mode: oneOf('continue', 'resync'), scope: scopeId });
