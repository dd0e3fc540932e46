import { createBugsFor, type Bug } from './planted-bug.js';

const createViewBug = createBugsFor('subscriptions');

/** Bugs of realms with subscriptions. */
export const subscriptionBugs: readonly Bug[] = [
  createViewBug(
    'an object that enters the new view between two pages is missing',
    'server/views/concerned-objects.js',
    'const isKnown = isHeld || (isTarget && isIn(target));',
    'const isKnown = isHeld;',
  ),
  createViewBug(
    'a server does not name what the replica itself has moved out',
    'server/views/view-difference.js',
    "return was === true || isOwn ? 'leave' : 'nothing';",
    "return was === true && isForeign ? 'leave' : 'nothing';",
  ),
  createViewBug(
    'a detached object stays when its changes are acknowledged',
    'store/sync/trim-outbox.js',
    'const ended = views?.endDetached(version, later);',
    'const ended = undefined;',
  ),
  createViewBug(
    'the index lacks objects that were stored before',
    'server/history/projection.js',
    'changes.push(...indexChangesOf(index.types, text, previous?.state, state));',
    'if (previous === undefined) changes.push(...indexChangesOf(index.types, text, undefined, state));',
  ),
  createViewBug(
    'a server sends a state that is not in the view',
    'server/views/read-pages.js',
    "return view.hasState(name, found.state) ? 'in' : 'out';",
    "return 'in';",
  ),
  createViewBug(
    'the placed view is not in the batch of its cursor',
    'store/subscriptions/apply-view-page.js',
    '...edits.flatMap(({ changes }) => changes)',
    '...edits.slice(0, 1).flatMap(({ changes }) => changes)',
  ),
  createViewBug(
    'a whole view leaves out what changed while it was read',
    'server/views/concerned-objects.js',
    'const isTarget = version > this.version && ',
    'const isTarget = source !== null && version > this.version && ',
  ),
  createViewBug(
    'the order of the values makes another subscription',
    'filter/canonical-filter.js',
    'const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);',
    'const sorted = [...values].map(([, value]) => value);',
  ),
  createViewBug(
    'a missing property is not null on the server',
    'server/views/served-view.js',
    'createReader(name.key, (property) => propertyValueOf(state, property))',
    "(property) => (property === '' ? name.key : propertyValueOf(state, property))",
  ),
  createViewBug(
    'the last touch of an object says what it was before',
    'server/views/view-difference.js',
    'was ??= this.view.hasValues',
    'was = this.view.hasValues',
  ),
  createViewBug(
    'a mark is answered before the view is placed',
    'server/views/view-feed.js',
    'this.isPlanned() && this.placed.isSentIn(this.scope)',
    'true',
  ),
  createViewBug(
    'a join counts an increment twice',
    'merge/counter.js',
    'const chains = joinChains(found.chains, life.chains);',
    'const chains = [...found.chains, ...life.chains];',
  ),
  createViewBug(
    'a group is not sent what one of its sessions has written',
    'server/views/view-router.js',
    'batch.difference.add(touch.text, touch, touch.change, watched, false);',
    'batch.difference.add(touch.text, touch, touch.change, watched, routing.released.size > 0);',
  ),
  createViewBug(
    'the first touch of an object decides whether it is named with the members',
    'server/views/concerned-objects.js',
    'isKnown: isKnown || earlier?.isKnown === true,',
    'isKnown: earlier?.isKnown ?? isKnown,',
  ),
  createViewBug(
    'an object that leaves is removed although changes of it are unsent',
    'store/subscriptions/apply-view-page.js',
    'if (waiting)',
    'if (waiting && waiting.version === 0)',
  ),
  createViewBug(
    'a detached object stays when its changes are rejected',
    'store/rejected/rollback.js',
    'context.views?.endDetached(version,',
    'context.views?.endDetached(0,',
  ),
  createViewBug(
    'a piece of a changeset has the count of the whole changeset',
    'server/history/operation-spans.js',
    'count: count + index,',
    'count,',
  ),
  createViewBug(
    'an object that was out for a while is sent its last operations only',
    'server/views/view-difference.js',
    'was === is && is !== false && !hasBeenOut && isForeign',
    'is !== false && isForeign',
  ),
  createViewBug(
    'the index keeps deleted objects',
    'server/history/object-index.js',
    'if (oldKey !== null)',
    'if (oldKey !== null && is)',
  ),
  createViewBug(
    'the last page of a view that another has overtaken is not placed',
    'session/conversation/handle-view.js',
    'if (isOvertaken && arriving?.view.number !== number) {',
    'if (isOvertaken) {',
  ),
  createViewBug(
    'the index is not in the batch of its objects',
    'server/history/stored-objects.js',
    'return concat(this.storage.batch(changes, { durable: true }), confirm$);',
    "const isIndex = ({ key }) => key.startsWith('index/');" +
      'const rest = changes.filter((change) => !isIndex(change));' +
      'const later$ = this.storage.batch(changes.filter(isIndex), { durable: false });' +
      'return concat(this.storage.batch(rest, { durable: true }), later$, confirm$);',
  ),
];
