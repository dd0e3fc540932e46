import { readFileSync } from 'node:fs';
import * as client from '../lib/index.js';
import * as inspector from '../lib/inspector/index.js';
import * as server from '../lib/server/index.js';
import * as testing from '../lib/testing/index.js';
import { readSources } from './parsed-source.js';

/**
 * All value exports of each entry point. An added or removed name is a decision and changes this list; a new entry
 * point is one more entry here and in package.json.
 */
const entryPoints: Readonly<
  Record<string, { readonly file: string; readonly exported: object; readonly names: readonly string[] }>
> = {
  tidemark: {
    file: 'lib/index.ts',
    exported: client,
    names: [
      ...[
        'createSubscriptions',
        'createSyncClient',
        'openRealm',
        'openRealm$',
        'watchReconnectTriggers',
        'memoryStorage',
        'indexedDbStorage',
        'abstractLevelStorage',
        'systemClock',
        'clientWire',
        'createCloseError',
        'ConnectionError',
        'defaultTimeouts',
        'transitions',
        'record',
      ],
      ...['isNone', 'isSome', 'none', 'some', 'userPart'],
      ...[
        'ClientResetError',
        'CompensatingWriteError',
        'DiscardError',
        'ImportError',
        'exportRealm',
        'importRealm',
        'InvalidArgumentError',
        'InvalidStateError',
        'ObjectSetAsideError',
        'RealmClosedError',
        'SchemaError',
        'SessionClosedError',
        'StalledError',
        'StorageError',
        'SubscriptionError',
      ],
      ...['SyncError', 'syncErrors', 'TidemarkError', 'WriteLimitError', 'WrongRealmError'],
    ],
  },
  'tidemark/inspector': {
    file: 'lib/inspector/index.ts',
    exported: inspector,
    names: ['defineInspector', 'mountInspector', 'observeSimulatedOffline', 'simulateOffline'],
  },
  'tidemark/server': {
    file: 'lib/server/index.ts',
    exported: server,
    names: [
      'createSyncServer',
      'allowAnyone',
      'jwt',
      'userPart',
      'TokenRejectedError',
      'BackupError',
      'ServerClosedError',
    ],
  },
  'tidemark/testing': {
    file: 'lib/testing/index.ts',
    exported: testing,
    names: [
      ...['dialSuite', 'historySuite', 'marbles', 'storageSuite'],
      ...['MarbleError', 'connectionLetters', 'stateLetters', 'syncLetters', 'subscriptionLetters'],
      ...['fakeSession', 'fakeSubscription', 'status'],
      ...['record', 'play', 'RecordingError'],
      ...['scriptedServer', 'createAccepted', 'createBound', 'createDownload', 'createRejected', 'createWireError'],
    ],
  },
};

const { exports: offered } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, unknown> };

describe('the entry points', () => {
  it.each(Object.entries(entryPoints))('%s exports exactly the names on its list', (_, { exported, names }) => {
    expect(Object.keys(exported).sort()).toEqual([...names].sort());
  });

  it('are all on the list', () => {
    const files = readSources(process.cwd(), 'lib').flatMap(({ path }) => (path.endsWith('/index.ts') ? [path] : []));
    expect(files.sort()).toEqual(
      Object.values(entryPoints)
        .map(({ file }) => file)
        .sort(),
    );
  });

  it.each(Object.entries(entryPoints))('%s can be imported from the package', (name, { file }) => {
    const built = file.replace('lib/', '').replace('.ts', '');
    expect(offered[name.replace('tidemark', '.')]).toEqual({
      types: `./dist/${built}.d.ts`,
      node: `./dist/node/${built.replace('/index', '')}.js`,
      default: `./dist/${built}.js`,
    });
  });
});
