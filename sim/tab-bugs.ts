import { createBugsFor, type Bug } from './planted-bug.js';

const createTabBug = createBugsFor('tabs');

/** Bugs of realms that several tabs share. */
export const tabBugs: readonly Bug[] = [
  createTabBug(
    'a repeated write of a tab is applied twice',
    'store/tabs/perform-writes.js',
    'return [this.note(record)];',
    'return [];',
  ),
  createTabBug(
    'a write of a follower is answered before it is stored',
    'store/tabs/perform-writes.js',
    'extras)), onDone, onError);',
    'extras)), () => undefined, onError);\n        if (record.stored[at]) onDone();',
  ),
  createTabBug(
    'a follower misses the records that are deleted',
    'client/tabs/tab-leader.js',
    'link.changes.push(change);',
    "if (change.type === 'put') link.changes.push(change);",
  ),
  createTabBug(
    'a follower does not learn of changes of the session',
    'client/tabs/tab-leader.js',
    'this.#noteNews((link) => (link.hasNews = true));',
    'this.#noteNews(() => undefined);',
  ),
  createTabBug(
    'a hidden leader does not hand over',
    'client/tabs/tab-roles.js',
    'onClaim: (tab) => this.#yieldTo(tab),',
    'onClaim: () => undefined,',
  ),
  createTabBug(
    'a follower does not send its unanswered writes to the next leader',
    'client/tabs/tab-follower.js',
    'this.#sendWrites(true);',
    'this.#sendWrites(false);',
  ),
  createTabBug(
    'a tab that has stopped leading keeps its connection',
    'client/tabs/open-lead.js',
    'session?.end();',
    ';',
  ),
  createTabBug(
    'a log-out of a tab does not reach the others',
    'client/tabs/tab-realm.js',
    'onLoggedOut: () => this.#roles.noteLogOut(),',
    'onLoggedOut: () => undefined,',
  ),
  {
    ...createTabBug(
      'a leader that was replaced goes on storing',
      '../sim/virtual-storage.js',
      'const earlier = [...openings].filter((each) => each !== own);',
      'const earlier = [];',
    ),
    // The storage of a browser excludes earlier leaders, as `write-fence.ts` does, and so does the disk below it.
    others: [
      {
        file: '../sim/simulated-disk.js',
        original: 'open: defer(() => {\n            endProcess();',
        replacement: 'open: defer(() => {',
      },
    ],
  },
];
