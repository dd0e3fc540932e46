import { EMPTY, firstValueFrom, NEVER, of, throwError } from 'rxjs';
import {
  type AccessToken,
  ConnectionError,
  createSyncClient,
  memoryStorage,
  openRealm,
  SyncError,
  type Schema,
  type SyncClientOptions,
} from '../../lib/index.js';
import { open } from './test-kit.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;
const textOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
    return 'nothing was thrown';
  } catch (thrown) {
    return (thrown as Error).message;
  }
};
const openAny = (options: object): Promise<unknown> => openRealm({ schema, storage: memoryStorage(), ...options });
const withSchema = (given: unknown): (() => Promise<unknown>) => {
  return () => openAny({ schema: given });
};
const taskWith = (primaryKey: unknown, id: string): object => ({ Task: { primaryKey, properties: { id } } });

describe('the text of an error about options', () => {
  it.each([
    [{}, 'createSyncClient needs either url or dial. Neither was given.'],
    [{ url: 'ws://a', dial: EMPTY }, 'createSyncClient needs either url or dial. Both were given.'],
    [undefined, 'options of createSyncClient must be a plain record, such as { … }, received undefined.'],
    [
      { dial: () => EMPTY },
      'dial must be an Observable, received a function. Pass a stream of the function: of(server.wire).',
    ],
  ])('says what a client needs: %p', async (options, text) => {
    expect(await textOf(() => createSyncClient(options as never))).toBe(text);
  });

  it.each([
    ['acessToken', 'accessToken'],
    ['accesstoken', 'accessToken'],
    ['tiemouts', 'timeouts'],
    ['uri', 'url'],
  ])('names the option that is meant by %s', async (name, meant) => {
    const text = await textOf(() => createSyncClient({ url: 'ws://a', [name]: 1 }));
    expect(text).toMatch(/^options of createSyncClient must be a record with only the names url, dial, /);
    expect(text).toMatch(new RegExp(`, received "${name}"\\. Did you mean ${meant}\\?$`));
  });

  it('guesses nothing for a name that is near no option', async () => {
    expect(await textOf(() => createSyncClient({ url: 'ws://a', retries: 1 } as never))).toMatch(/"retries"\.$/);
  });

  it.each([
    [undefined, 'options of openRealm must be a plain record, such as { … }, received undefined.'],
    [
      { schema, storage: memoryStorage },
      'storage must be a folder (in browsers, the name of a database) or a storage, received a function. ' +
        'Call the function: memoryStorage().',
    ],
  ])('says what a realm needs: %p', async (options, text) => {
    expect(await textOf(() => openRealm(options as never))).toBe(text);
  });

  it('recognizes a client that is given as the sync options', async () => {
    const text = await textOf(() => openAny({ sync: open.client({ dial: NEVER }) }));
    expect(text).toBe('sync is a client. Pass { client, realm }.');
  });
});

const keyAdvice = 'A primary key must be string, uuid or int, and not nullable.';

describe('the text of an error about a schema', () => {
  it.each([
    [{}, 'schema must be a record with at least one type, such as { Task: { … } }, received an empty record.'],
    [[{}], 'schema must be a record with at least one type, such as { Task: { … } }, received an array of 1.'],
    [taskWith('_id', 'string'), `Task.primaryKey is "_id", but Task has no property of this name. ${keyAdvice}`],
    [
      taskWith(undefined, 'string'),
      `Task.primaryKey is undefined, but Task has no property of this name. ${keyAdvice}`,
    ],
    [taskWith('id', 'string?'), `Task.id is "string?". ${keyAdvice}`],
    [taskWith('id', 'bool'), `Task.id is "bool". ${keyAdvice}`],
  ])('names the type and the property: %j', async (given, text) => {
    expect(await textOf(withSchema(given))).toBe(text);
  });

  it('says that an open realm has another schema, and what to do', async () => {
    const storage = memoryStorage();
    await openRealm({ schema, storage });
    const other: Schema = { ...schema, User: schema.Task };
    expect(await textOf(() => openRealm({ schema: other, storage }))).toBe(
      'The realm is open already, and its schema.User is absent, not present. ' +
        'Close that handle, or pass equal options.',
    );
  });
});

describe('the text of an error about a primary key', () => {
  const expected = 'Task.id, the primary key, must be a string of 1 to 200 characters';
  const written = async (change: (tx: Record<'put' | 'update', (...given: unknown[]) => void>) => void) => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    return textOf(() => realm.write(change as never));
  };

  it('names the property', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    expect(await textOf(() => realm.get('Task', undefined as never))).toBe(`${expected}, received undefined.`);
    expect(await written((tx) => tx.put('Task', { title: 'Buy milk' }))).toBe(`${expected}, received undefined.`);
    expect(await written((tx) => tx.update('Task', { id: 'milk' }))).toBe(`${expected}, received a record.`);
  });

  it('says that half of a character is not accepted', async () => {
    expect(await written((tx) => tx.put('Task', { id: '\udfff', title: '' }))).toBe(
      `${expected.replace('characters', 'whole characters')}, received "\\udfff".`,
    );
  });
});

describe('the text of an error of a closed realm', () => {
  it('says how to open the realm again', async () => {
    const realm = await openRealm({ schema, storage: memoryStorage() });
    await realm.close();
    expect(await textOf(() => realm.objects('Task'))).toBe(
      'This handle of the realm was closed. Open the realm again with openRealm.',
    );
  });
});

describe('the first error of a client', () => {
  const firstErrorOf = async (options: Partial<SyncClientOptions>): Promise<SyncError> => {
    const client = open.client({ dial: NEVER, ...options } as SyncClientOptions);
    const error = firstValueFrom(client.errors$);
    await open.realm(client, memoryStorage());
    return error;
  };
  const tokenError = async (accessToken: unknown): Promise<string> =>
    (await firstErrorOf({ accessToken: accessToken as AccessToken, dial: of(() => NEVER) })).message;

  it('has advice that helps when the client never connects', async () => {
    const failure = new ConnectionError({ kind: 'unreachable', detail: 'Unexpected server response: 404' });
    const { advice } = await firstErrorOf({ dial: throwError(() => failure) });
    expect(advice).toBe('The client reconnects by itself. If it never connects, check the url and the certificate.');
  });

  it('has the reason why the app gave no access token', async () => {
    const failing = (): never => {
      throw new Error('The session of the app has ended.');
    };
    expect(await tokenError(failing)).toBe(
      'The app could not give an access token (The session of the app has ended).',
    );
    expect(await tokenError(() => ({ token: 'secret' }))).toBe(
      'The app could not give an access token (accessToken must give a string, received a record).',
    );
  });

  it('has its message in JSON, as in a log', () => {
    const { name, code, message } = JSON.parse(
      JSON.stringify(new SyncError('storage', 'The disk is full.')),
    ) as Error & {
      code: string;
    };
    expect([name, code, message]).toEqual(['SyncError', 'storage', 'The disk is full.']);
  });
});
