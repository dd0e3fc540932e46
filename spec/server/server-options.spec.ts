import { of } from 'rxjs';
import { InvalidArgumentError } from '../../lib/model/errors.js';
import { allowAnyone, createSyncServer, type ServerOptions } from '../../lib/server/index.js';
import { memoryStorage } from '../../lib/storage/memory.js';

const storage = memoryStorage();

describe('the options of a server', () => {
  it.each<[string, unknown, string]>([
    ['no record', null, 'options of createSyncServer'],
    ['an unknown name', { storage, storrage: 1 }, 'options of createSyncServer'],
    ['no storage', {}, 'storage'],
    ['an empty directory', { storage: ' ' }, 'storage'],
    ['an invalid storage', { storage: { range: 1 } }, 'storage'],
    ['authenticate that is no function', { storage, authenticate: 'all', authorize: () => 'read' }, 'authenticate'],
    ['authorize that is no function', { storage, authorize: 'write' }, 'authorize'],
    ['lines that are no function', { storage, middleware: [] }, 'middleware'],
    [
      'authenticate without authorize, which would let every user into every realm',
      { storage, authenticate: () => ({ id: 'a' }) },
      'authorize',
    ],
    ['a log that is no function', { storage, log: console }, 'log'],
    ['an invalid clock', { storage, clock: { now: 5 } }, 'clock'],
    ['limits that are not a record', { storage, limits: 5 }, 'limits'],
    ['field report E-10: a list for limits', { storage, limits: [] }, 'limits'],
    ['field report E-10: limits made by a class', { storage, limits: new Map() }, 'limits'],
    [
      'field report E-10: limits that are inherited',
      { storage, limits: Object.create({ bindMsMax: 5 }) as object },
      'limits',
    ],
    ['field report E-10: a list for options', [storage], 'options of createSyncServer'],
    [
      'field report E-10: options made by a class',
      new (class {
        readonly storage = storage;
      })(),
      'options of createSyncServer',
    ],
    ['an unknown limit', { storage, limits: { sessions: 5 } }, 'limits'],
    ['a limit of the wrong kind', { storage, limits: { bindMsMax: '5' } }, 'limits.bindMsMax'],
    ['a frame that holds no page', { storage, limits: { frameBytesMax: 1_000 } }, 'limits.frameBytesMax'],
  ])('are rejected before anything is opened: %s', (_, options, argument) => {
    expect(() => createSyncServer(options as ServerOptions)).toThrow(InvalidArgumentError);
    try {
      createSyncServer(options as ServerOptions);
    } catch (thrown) {
      expect(thrown).toMatchObject({ argument });
    }
  });

  it('may leave out everything but the storage', () => {
    expect(() => createSyncServer({ storage })).not.toThrow();
    expect(() => createSyncServer({ storage: of(storage), authenticate: allowAnyone })).not.toThrow();
  });

  it('open no storage before the server is used', () => {
    expect(() => createSyncServer({ storage: '/proc/no/such/place' })).not.toThrow();
  });
});

describe('where a server listens', () => {
  it.each<[string, unknown, string]>([
    ['an unknown name', { port: 0, hots: '' }, 'options of server.listen'],
    ['no port', {}, 'port'],
    ['half a port', { port: 80.5 }, 'port'],
    ['a port that is too high', { port: 65_536 }, 'port'],
    ['an empty host', { port: 0, host: '' }, 'host'],
    ['all addresses, when no client is authenticated', { port: 0, host: '0.0.0.0' }, 'host'],
  ])('is checked: %s', async (_, options, argument) => {
    const server = createSyncServer({ storage });
    await expect(server.listen(options as { port: number })).rejects.toMatchObject({
      code: 'invalid-argument',
      argument,
    });
    await server.close();
  });
});
