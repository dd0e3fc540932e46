import { TidemarkError } from '../../model/errors.js';
import type { SubscriptionRejection } from './subscription-state.js';

const textOf = (subscription: string, rejection: SubscriptionRejection | null): string =>
  rejection === null
    ? `The ${subscription} was removed before its objects had arrived.`
    : `The server does not serve the ${subscription}: ${rejection.text}`;

/**
 * The objects of a subscription will not arrive: the server does not serve it, or it was removed. The other
 * subscriptions of the realm go on.
 *
 * @example
 * ```ts sketch
 * inbox.sync$.subscribe({ error: (error) => error instanceof SubscriptionError && console.warn(error.code) });
 * ```
 */
export class SubscriptionError extends TidemarkError {
  override readonly name = 'SubscriptionError';
  /** `removed`, or the reason of the server as a code, such as `too-many-properties`. */
  readonly code: string;
  /** The name that the app has given to the subscription; `null`: it has none. */
  readonly subscription: string | null;
  /** The type of its objects. */
  readonly type: string;
  constructor(
    { name, type }: { readonly name: string | null; readonly type: string },
    rejection: SubscriptionRejection | null,
  ) {
    super(textOf(name === null ? `subscription of ${type}` : `subscription ${JSON.stringify(name)}`, rejection));
    this.code = rejection?.code ?? 'removed';
    this.subscription = name;
    this.type = type;
  }
}
