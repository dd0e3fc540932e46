import type { Clock } from '../../clock.js';
import type { WriteLimits } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { Bind, Bound } from '../../protocol/messages.js';
import type { ServerLimits } from '../server-options.js';
import { acceptedVersionOf } from '../uploads/rejections.js';
import type { AcceptedBind } from './bind.js';

export interface BoundMessagePorts {
  readonly limits: ServerLimits;
  readonly clock: Pick<Clock, 'now'>;
}

const writeLimitsOf = ({ changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax }: WriteLimits) => ({
  ...{ changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax },
});

const acceptedOf = (
  { replica, sharedVersion }: AcceptedBind,
  acknowledged: Version,
): Pick<Bound, 'accepted' | 'stamp' | 'decided'> => {
  const decided = sharedVersion ?? replica.accepted;
  const accepted = acceptedVersionOf(decided, replica.rejected.keys(), acknowledged);
  return { accepted, decided, stamp: accepted === replica.accepted ? replica.stamp : null };
};

/**
 * Returns the retention cutoff for `bound`. `null` also while the cutoff is being raised, because changesets that are
 * pending then may be older.
 */
const retentionCutoffOf = ({
  retentionCutoff: time,
  retentionCutoffFrom: version,
}: AcceptedBind['realm']['history']): Bound['retentionCutoff'] =>
  time > 0 && version < Infinity ? { time, version } : null;

/** Returns how a replica with a view goes on. Absent in the message to one without a view. */
const viewOf = ({ view }: AcceptedBind): Pick<Bound, 'view'> =>
  view === null ? {} : { view: { mode: view.source === null ? 'resync' : 'continue', scope: view.scope?.id ?? null } };

/** Returns the answer to an accepted bind. */
export const createBoundMessage = (
  { limits, clock }: BoundMessagePorts,
  { session, acknowledged }: Bind,
  acceptedBind: AcceptedBind,
): Bound => ({
  type: 'bound',
  session,
  history: acceptedBind.realm.history.id,
  head: acceptedBind.realm.history.log.head,
  headBytes: acceptedBind.realm.history.bytes,
  ...acceptedOf(acceptedBind, acknowledged),
  serverTime: clock.now(),
  frameBytesMax: limits.frameBytesMax,
  snapshot: acceptedBind.snapshot,
  limits: writeLimitsOf(limits),
  retentionCutoff: retentionCutoffOf(acceptedBind.realm.history),
  ...viewOf(acceptedBind),
});
