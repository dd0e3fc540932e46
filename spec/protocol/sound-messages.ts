import type { ObjectName, StoredObject } from '../../lib/model/changeset.js';
import { limits } from '../../lib/model/limits.js';
import type { PlacedView, ViewFilter } from '../../lib/model/view.js';
import type { ClientMessage, ServerFrame } from '../../lib/protocol/messages.js';
import type { BoundView } from '../../lib/protocol/view-messages.js';

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isOrdinal = (value: unknown): boolean => isCount(value) && value !== 0;
const isText = (value: unknown, most: number, least = 0): boolean =>
  typeof value === 'string' && value.length >= least && value.length <= most;

const isScope = (scope: unknown): boolean => scope === null || isText(scope, limits.idCharsMax, 1);
const areFilters = (filters: readonly ViewFilter[]): boolean =>
  filters.length <= 256 &&
  filters.every(({ id, type, filter }) => isOrdinal(id) && isText(type, 64, 1) && filter !== undefined);
const isPlacedView = (view: PlacedView | undefined): boolean =>
  view !== undefined &&
  (view.number === null || isCount(view.number)) &&
  areFilters(view.filters) &&
  isScope(view.scope);
const isBoundView = (view: BoundView | undefined): boolean =>
  view !== undefined && ['continue', 'resync'].includes(view.mode) && isScope(view.scope);
const areObjects = (objects: readonly StoredObject[], leaves: readonly ObjectName[]): boolean =>
  objects.every(({ state }) => state instanceof Uint8Array) &&
  [...objects, ...leaves].every(({ type, key }) => isText(type, 64, 1) && ['string', 'number'].includes(typeof key));

/** Repeats on purpose the rules that every decoded message must obey. */
export const isSound = (message: ClientMessage | ServerFrame): boolean => {
  const { idCharsMax, errorTextCharsMax } = limits;
  const numbered = !('session' in message) || message.session === null || isOrdinal(message.session);
  const rest = (): boolean => {
    switch (message.type) {
      case 'bind':
        return (
          isText(message.realm, limits.realmNameCharsMax, 1) &&
          isText(message.replica, idCharsMax, 1) &&
          (message.token === null || isText(message.token, limits.tokenCharsMax)) &&
          (message.history === null || isText(message.history, idCharsMax, 1)) &&
          isCount(message.downloadedTo) &&
          isCount(message.acknowledged) &&
          typeof message.includeOwn === 'boolean' &&
          message.runs.length > 0 &&
          message.runs.every(
            ({ id, lastVersion }, i, all) =>
              isText(id, 32, 1) && isCount(lastVersion) && lastVersion >= (all[i - 1]?.lastVersion ?? 0),
          ) &&
          (!('view' in message) || isPlacedView(message.view))
        );
      case 'subscribe':
        return isCount(message.number) && areFilters(message.filters);
      case 'next':
        return isCount(message.number) && (message.position === null || isText(message.position, 4_096));
      case 'upload':
        return (
          message.changesets.length > 0 &&
          message.changesets.every(
            (each, i, all) => isOrdinal(each.version) && each.version === all[0]!.version + i && isChange(each),
          )
        );
      case 'view':
        return (
          isCount(message.number) &&
          isCount(message.version) &&
          isScope(message.scope) &&
          ['difference', 'resync'].includes(message.mode) &&
          isCount(message.objects) &&
          message.rejections.length <= 256 &&
          message.rejections.every(
            ({ id, code, text }) =>
              isOrdinal(id) && /^[a-z][a-z0-9-]{0,63}$/.test(code) && isText(text, errorTextCharsMax),
          )
        );
      case 'members':
        return (
          isCount(message.number) &&
          areObjects(message.objects, message.leaves) &&
          (message.position === null ? isCount(message.upTo) : isText(message.position, 4_096)) &&
          (message.position === null || message.upTo === null) &&
          isCount(message.remaining) &&
          isCount(message.bytes)
        );
      case 'parts':
      case 'download':
        return (
          (message.type === 'download' || areObjects(message.states, message.leaves)) &&
          isOrdinal(message.upTo) &&
          isCount(message.remaining) &&
          isCount(message.bytes) &&
          isCount(message.remainingBytes) &&
          message.changesets.every(
            (each, i, all) =>
              each.version > (all[i - 1]?.version ?? 0) &&
              each.version <= message.upTo &&
              isText(each.origin, idCharsMax, 1) &&
              isChange(each),
          )
        );
      case 'mark':
        return isOrdinal(message.request) && (!('version' in message) || isCount(message.version));
      case 'received':
      case 'accepted':
        return isOrdinal(message.version);
      case 'token':
        return isText(message.token, limits.tokenCharsMax);
      case 'fault':
        return isOrdinal(message.version) && /^[a-z][a-z0-9-]*$/.test(message.code);
      case 'ping':
      case 'pong':
        return Number.isFinite(message.sentAt);
      case 'bound':
        return (
          isText(message.history, idCharsMax, 1) &&
          isCount(message.head) &&
          isCount(message.headBytes) &&
          isCount(message.accepted) &&
          Number.isFinite(message.serverTime) &&
          isOrdinal(message.frameBytesMax) &&
          (message.snapshot === null || isOrdinal(message.snapshot)) &&
          (message.stamp === null || (Number.isFinite(message.stamp.time) && isCount(message.stamp.count))) &&
          Object.values(message.limits).length === 5 &&
          Object.values(message.limits).every(isOrdinal) &&
          (message.retentionCutoff === null ||
            (isCount(message.retentionCutoff.time) && isCount(message.retentionCutoff.version))) &&
          isCount(message.decided) &&
          (!('view' in message) || isBoundView(message.view))
        );
      case 'refused':
        return (
          isOrdinal(message.version) &&
          message.writes.every(({ type, reason }) => isText(type, 64, 1) && isText(reason, errorTextCharsMax)) &&
          message.serverStates.every(({ state }) => state === null || state instanceof Uint8Array) &&
          (!('upTo' in message) || isCount(message.upTo))
        );
      case 'withdraw':
        return isOrdinal(message.version) && message.objects.every(({ type }) => isText(type, 64, 1));
      case 'copied':
        return isCount(message.version);
      case 'part':
        return typeof message.isLast === 'boolean' && message.bytes instanceof Uint8Array;
      case 'fetch':
        return isOrdinal(message.version) && (message.after === null || isText(message.after.type, 64, 1));
      case 'snapshot':
        return (
          isOrdinal(message.version) &&
          isCount(message.remaining) &&
          isCount(message.bytes) &&
          message.objects.every(({ type, state }) => isText(type, 64, 1) && state instanceof Uint8Array)
        );
      case 'error':
        return (
          isText(message.code, 64, 1) &&
          isText(message.text, errorTextCharsMax) &&
          (typeof message.retry === 'string' || message.retry.after >= 0)
        );
      case 'unbind':
      case 'unbound':
        return true;
    }
  };
  const isChange = ({ time, count, body: bytes }: { time: number; count: number; body: Uint8Array }): boolean =>
    Number.isFinite(time) && isCount(count) && bytes instanceof Uint8Array;
  return numbered && rest();
};
