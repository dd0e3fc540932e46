import { createBugsFor, type Bug } from './planted-bug.js';

const createScopeBug = createBugsFor('scope');

/** Bugs of servers that show users a part of a realm. */
export const scopeBugs: readonly Bug[] = [
  createScopeBug(
    'a rejection shows hidden objects',
    'server/uploads/rejections.js',
    'if (scope?.hasState(target, known) === false)',
    'if (false)',
  ),
  createScopeBug(
    'a write of a hidden object is accepted',
    'server/uploads/permit-check.js',
    'if (isUnknown)\n            hidden.push({ type, key });',
    '',
  ),
  createScopeBug(
    'the filters of a view are not limited to the scope',
    'server/views/served-view.js',
    'scope === null ? read.right : scope.limit(type, read.right)',
    'read.right',
  ),
  createScopeBug(
    'a change of the scope does not reach a session',
    'server/sessions/server-session.js',
    'this.guard(() => downloadFeed.changeScope(scope));',
    ';',
  ),
  createScopeBug(
    'changes of the earlier scope are sent after a change of the scope',
    'server/views/view-feed.js',
    'this.placed.changes = null; // The user may not see all of them any more.',
    ';',
  ),
  createScopeBug(
    'objects that a change of the scope hides are not named',
    'server/views/bootstrap.js',
    "if (kind === 'leaving') {",
    "if (kind === 'leaving' && this.isWithheld)\n            return;\n        if (kind === 'leaving') {",
  ),
  createScopeBug(
    'objects that were never visible are named when the scope changes',
    'server/views/concerned-objects.js',
    'if (!this.isWithheld)\n            return true;',
    'return true;',
  ),
  createScopeBug(
    'a device whose scope is not known gets a difference',
    'server/views/plan-view.js',
    'const isUnknown = placed.scope === null ? scope !== null : stored === null;',
    'const isUnknown = false;',
  ),
  createScopeBug(
    'a device stores its objects with the id of its earlier scope',
    'session/conversation/handle-view.js',
    'return { mode, view: { number, scope, filters:',
    'return { mode, view: { number, scope: view.placed.scope, filters:',
  ),
];
