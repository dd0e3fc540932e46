import {
  checkTimeSources,
  checkNoCycles,
  checkRooms,
  checkPromises,
  checkAllNeeded,
  checkPackageOwners,
  loadedPackagesOf,
  checkSubscriptions,
  checkTimerSchedulers,
  checkVirtualTime,
  type Allowed,
  type Room,
} from './architecture-rules.js';
import { subscriptionEdges } from './subscription-edges.js';
import {
  checkDisableReasons,
  checkNamedExports,
  checkNoBarrel,
  checkLength,
  checkNoSkippedTests,
} from './file-rules.js';
import { sourceOf, readSources } from './parsed-source.js';
import { owners } from './package-owners.js';

const entryPoints = ['lib/index.ts', 'lib/inspector/index.ts', 'lib/server/index.ts', 'lib/testing/index.ts'];
const clock = 'lib/clock.ts';
const storagePort = 'lib/storage/storage.ts';
const clientRooms = ['model', 'protocol', 'transport', 'storage', 'store', 'session'].map((room) => `lib/${room}/`);

/**
 * Imports between rooms, which docs/ARCHITECTURE.md draws. A room may always import itself, and no entry point except
 * from its own suites.
 */
const rooms: Readonly<Record<string, Room>> = {
  'lib/index.ts': { values: [clock, 'lib/client/', ...clientRooms] },
  'lib/clock.ts': { values: [] },
  'lib/model/': { values: [] },
  'lib/merge/': { values: ['lib/model/'] },
  'lib/filter/': { values: ['lib/model/'] },
  'lib/protocol/': { values: [clock, 'lib/model/'], types: ['lib/transport/'] },
  'lib/transport/': { values: [clock, 'lib/model/'] },
  'lib/storage/': { values: [clock, 'lib/model/'] },
  'lib/log/': { values: [clock, 'lib/model/', storagePort] },
  'lib/backup/': { values: [clock, 'lib/model/', 'lib/storage/'] },
  'lib/store/': { values: [clock, 'lib/model/', 'lib/merge/', 'lib/filter/', 'lib/log/', storagePort] },
  'lib/session/': { values: [clock, 'lib/model/', 'lib/protocol/'], types: ['lib/transport/'] },
  'lib/client/': { values: [clock, ...clientRooms] },
  'lib/server/': {
    values: [
      clock,
      ...['model', 'merge', 'filter', 'protocol', 'transport', 'log', 'storage', 'backup'].map(
        (room) => `lib/${room}/`,
      ),
    ],
  },
  'lib/cli/': {
    values: [
      clock,
      'lib/server/index.ts',
      ...['model', 'merge', 'log', 'storage', 'store', 'backup'].map((room) => `lib/${room}/`),
    ],
    types: ['lib/transport/'],
  },
  'lib/inspector/': { values: [clock, 'lib/client/', ...clientRooms] },
  'lib/testing/': {
    // A played recording has to count like the recorded session.
    values: ['lib/index.ts', 'lib/server/index.ts', clock, 'lib/model/', 'lib/merge/', 'lib/session/api/progress.ts'],
    types: ['lib/'],
  },
};

/**
 * The file `wire.ts` is the port of the transport. The end of a connection is one of its values, so files that read or
 * create an end need the class.
 */
const portValues = [
  { file: 'lib/transport/wire.ts', names: ['ConnectionError', 'createCloseError', 'acceptorOf', 'wireOf'] },
];

/** Files that use time and random numbers. */
const clocks: readonly Allowed[] = [
  { where: 'lib/clock.ts', why: 'it is the clock' },
  { where: 'lib/inspector/frames.ts', why: 'it draws once for each frame of the screen' },
  { where: 'lib/cli/logger.ts', why: 'it makes a mark of a name by node:crypto, and draws nothing' },
  {
    where: 'lib/cli/token-command.ts',
    why: 'it draws a secret for a server by node:crypto: no clock of an app is there',
  },
  { where: 'lib/cli/admin-socket.ts', why: 'it makes the name of a pipe by node:crypto, and draws nothing' },
  { where: 'lib/server/inspector/user-hash.ts', why: 'it makes a mark of a name by node:crypto, and draws nothing' },
  { where: 'lib/backup/backup-file.ts', why: 'it makes a checksum by node:crypto, and draws nothing' },
];

/** Files where promises come in or go out. */
const promises: readonly Allowed[] = [
  { where: 'lib/storage/', why: 'databases answer with promises; streams of them leave the room' },
  { where: 'lib/testing/', why: 'the tests of a suite are promises to the runner' },

  { where: 'lib/inspector/inspector-view.ts', why: 'the clipboard answers with promises' },
  { where: 'lib/backup/', why: 'files are written and read with promises, one page after the other' },
  { where: 'lib/cli/', why: 'a process lives until its command is done' },
  { where: 'lib/model/schema-types.ts Synchronous', why: 'it is what the function of a write must not return' },
  { where: 'lib/model/check-arguments.ts isThenable', why: 'it finds a function of an app that is asynchronous' },
  {
    where: 'lib/model/check-arguments.ts checkSynchronous',
    why: 'such a function is refused, and its rejection is expected',
  },
  { where: 'lib/client/', why: 'opening and closing are promises to the app' },
  { where: 'lib/server/auth/access.ts MaybeAsync', why: 'the host looks users and rights up where it keeps them' },
  { where: 'lib/server/auth/access.ts isAsync', why: 'it tells such an answer from one that is there' },
  { where: 'lib/server/auth/jwt.ts', why: 'jose answers with promises' },
  { where: 'lib/server/auth/jwks.ts', why: 'keys are read from a file or a server, for jose' },
  { where: 'lib/server/node/', why: 'ports, backups and key files are opened with promises' },
  { where: 'lib/server/browser/', why: 'it replaces those of lib/server/node' },
  { where: 'lib/server/sync-server.ts', why: 'opening and closing a server are promises to its host' },
  { where: 'lib/model/run-time-import.ts', why: 'a package that only Node has is loaded while running' },
];

/** Specs in which real milliseconds pass, because they run real sockets or processes. */
const realTime: readonly Allowed[] = [
  { where: 'spec/cli/nginx.system.spec.ts', why: 'a real proxy cuts a line that is idle for so long' },
  { where: 'spec/cli/nginx-kit.ts', why: 'it waits for the ports of real processes, and kills them' },
  { where: 'spec/client/leaks.spec.ts', why: 'it counts the timers and sockets of real processes' },
  {
    where: 'spec/server/crash.system.spec.ts',
    why: 'a real process is killed some milliseconds after it was told something',
  },
  {
    where: 'spec/second-implementation/initial-snapshot.spec.ts',
    why: "a server on the machine's own time makes a snapshot once it was left alone for a while",
  },
  {
    where: 'spec/inspector/busy-server.ts',
    why: 'devices write for a minute while a browser takes the picture of the inspector',
  },
  {
    where: 'spec/server/connections/replaced-connection.spec.ts',
    why: 'it asks a server behind real sockets how many there are',
  },
];

const table = checkRooms(rooms, entryPoints, portValues);
const barrels = checkNoBarrel(entryPoints);
const packages = checkPackageOwners(owners);
const short = checkLength(300, 400);

const root = process.cwd();
const lib = readSources(root, 'lib');
const specs = readSources(root, 'spec');
const all = [...lib, ...specs, ...readSources(root, 'demo', 'bench', 'fuzz', 'sim')];

describe('the architecture', () => {
  it('is checked as a whole', () => {
    expect(lib.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['lib/clock.ts', 'lib/model/errors.ts', 'lib/session/connection/mux.ts']),
    );
  });

  it('lets a folder import only what the table allows', () => {
    expect(table(lib)).toEqual([]);
  });

  it('has no import cycles, types included', () => {
    expect(checkNoCycles(lib)).toEqual([]);
  });

  it('subscribes only at named edges', () => {
    expect(checkSubscriptions(subscriptionEdges)(lib)).toEqual([]);
    expect(checkAllNeeded(checkSubscriptions, subscriptionEdges)(lib)).toEqual([]);
  });

  it('takes time and random numbers only from the clock', () => {
    expect(checkTimeSources(clocks)(lib)).toEqual([]);
    expect(checkAllNeeded(checkTimeSources, clocks)(lib)).toEqual([]);
  });

  it('gives every operator that waits its scheduler', () => {
    expect(checkTimerSchedulers(lib)).toEqual([]);
  });

  it('sleeps only in specs of real sockets and processes', () => {
    expect(checkVirtualTime(realTime)(specs)).toEqual([]);
    expect(checkAllNeeded(checkVirtualTime, realTime)(specs)).toEqual([]);
  });

  it('has promises only at its outer edges', () => {
    expect(checkPromises(promises)(lib)).toEqual([]);
    expect(checkAllNeeded(checkPromises, promises)(lib)).toEqual([]);
  });

  it('imports every package in one place', () => {
    expect(packages(lib)).toEqual([]);
  });

  it('loads nothing behind the main entry point that a browser lacks', () => {
    const loaded = loadedPackagesOf('lib/index.ts', lib);
    expect(
      loaded.filter(
        (name) => !['rxjs', 'fractional-indexing', '#storage'].includes(name) && !name.startsWith('#fp-ts/'),
      ),
    ).toEqual([]);
  });

  it('keeps files short, specs included', () => {
    expect(short(all)).toEqual([]);
  });

  it('exports by name', () => {
    expect(checkNamedExports(lib)).toEqual([]);
  });

  it('re-exports only from its entry points', () => {
    expect(barrels(lib)).toEqual([]);
  });

  it('disables lint rules only with a reason', () => {
    expect(checkDisableReasons(all)).toEqual([]);
  });

  it('runs every spec', () => {
    expect(checkNoSkippedTests(specs)).toEqual([]);
  });

  it('gives every exception a reason', () => {
    expect([...subscriptionEdges, ...clocks, ...promises, ...realTime].filter(({ why }) => why.length < 10)).toEqual(
      [],
    );
  });
});

describe('the table of rooms', () => {
  it.each([
    [
      'lib/session/a.ts',
      "import { open } from '../store/realm.js';",
      'lib/session/a.ts:1 may not import lib/store/realm.ts',
    ],
    [
      'lib/session/a.ts',
      "import type { Realm } from '../store/realm.js';",
      'lib/session/a.ts:1 may not import lib/store/realm.ts',
    ],
    [
      'lib/session/a.ts',
      "import { dial } from '../transport/dial.js';",
      'lib/session/a.ts:1 may import only types of lib/transport/dial.ts',
    ],
    [
      'lib/session/a.ts',
      "\nimport { type Dial, dial } from '../transport/wire.js';",
      'lib/session/a.ts:2 may import only types of lib/transport/wire.ts',
    ],
    [
      'lib/store/a.ts',
      "import { level } from '../storage/level.js';",
      'lib/store/a.ts:1 may not import lib/storage/level.ts',
    ],
    [
      'lib/store/a.ts',
      "type A = import('../session/realm.js').SyncedRealm;",
      'lib/store/a.ts:1 may not import lib/session/realm.ts',
    ],
    ['lib/server/a.ts', "export { b } from '../store/b.js';", 'lib/server/a.ts:1 may not import lib/store/b.ts'],
    ['lib/client/a.ts', "const b = import('../server/b.js');", 'lib/client/a.ts:1 may not import lib/server/b.ts'],
    [
      'lib/client/a.ts',
      "import { marbles } from '../testing/marbles.js';",
      'lib/client/a.ts:1 may not import lib/testing/marbles.ts',
    ],
    ['lib/client/a.ts', "import { openRealm } from '../index.js';", 'lib/client/a.ts:1 may not import lib/index.ts'],
    ['lib/server/a.ts', "import { b } from './index.js';", 'lib/server/a.ts:1 may not import lib/server/index.ts'],
    ['lib/model/a.ts', "import { systemClock } from '../clock.js';", 'lib/model/a.ts:1 may not import lib/clock.ts'],
    ['lib/merge/a.ts', "import type { Clock } from '../clock.js';", 'lib/merge/a.ts:1 may not import lib/clock.ts'],
    [
      'lib/testing/a.ts',
      "import { step } from '../session/step.js';",
      'lib/testing/a.ts:1 may import only types of lib/session/step.ts',
    ],
    [
      'lib/store/a.ts',
      "import { run } from '../cli/command.js';",
      'lib/store/a.ts:1 may not import lib/cli/command.ts',
    ],
    ['lib/attic/a.ts', '', 'lib/attic/a.ts:1 is in no room of the table'],
  ])('rejects in %s %j', (path, text, finding) => {
    expect(table([sourceOf(path, text)])).toEqual([finding]);
  });

  it.each([
    [
      'lib/session/a.ts',
      "import { type Dial } from '../transport/wire.js'; import type { A } from '../transport/dial.js';",
    ],
    [
      'lib/session/a.ts',
      "import { ConnectionError, type ConnectionFailure } from '../transport/wire.js'; import { b } from './b.js';",
    ],
    [
      'lib/store/a.ts',
      "import type { Storage } from '../storage/storage.js'; import { createLog } from '../log/log.js';",
    ],
    [
      'lib/testing/a.ts',
      "import { openRealm } from '../index.js'; import type { Step } from '../session/state/session-reducer.js';",
    ],
  ])('allows in %s %j', (path, text) => {
    expect(table([sourceOf(path, text)])).toEqual([]);
  });
});
