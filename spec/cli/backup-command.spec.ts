import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { runCommand } from '../../lib/cli/run-command.js';
import { createSyncClient, isSome, memoryStorage, openRealm } from '../../lib/index.js';
import { levelStorage } from '../../lib/storage/level.js';
import { addTask, schema, readTitles, waitUntil } from '../client/test-kit.js';
import { useBuiltLibrary } from '../server/server-process.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';
import { startServe, stopAll } from './serve-kit.js';
import { waitForValue } from '../wait-for.js';

const { fresh, remove } = createTemporaryFolders();
const lib = useBuiltLibrary();
afterEach(stopAll);
afterAll(remove);

const tidemark = (...args: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [join(lib.folder, 'cli', 'main.js'), ...args], (error, out, err) => {
      resolve({ code: Number(error?.code ?? 0), out, err });
    });
  });

const fail = (line: string): never => {
  throw new Error(line);
};

const deviceAt = async (port: number) => {
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}`, timeouts: { linger: 0 } });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'tasks' } });
  if (!isSome(realm.syncSession)) throw new Error('no session');
  return { client, realm, session: realm.syncSession.value };
};

describe('tidemark backup and restore', () => {
  it('E12 take a running server back to an earlier moment, and every device notices', async () => {
    const folder = fresh();
    const [data, file, restored] = [`${folder}-data`, `${folder}-backup`, `${folder}-restored`];
    const server = startServe(lib, ['--data', data, '--port', '0']);
    const port = await server.port;
    const { client, realm, session } = await deviceAt(port);
    await addTask(realm, 'before');
    await waitForValue(session.uploadComplete$, 'uploadComplete$');
    const saved = await tidemark('backup', data, file);
    expect(saved).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/: [\d,]+ entries, [\d.]+ [kM]B\n$/) as unknown,
    });
    await addTask(realm, 'after');
    await waitForValue(session.uploadComplete$, 'uploadComplete$');
    expect(await tidemark('backup', data, file)).toMatchObject({
      code: 1,
      err: `tidemark backup: ${file} exists already.\n`,
    });
    server.child.kill('SIGKILL');
    await server.ended;
    await waitUntil(session.connectionState$, (state) => state !== 'connected');
    await addTask(realm, 'unsent');

    expect(await tidemark('restore', file, restored)).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringMatching(/1 realms with a new history each\n$/) as unknown,
    });
    const again = startServe(lib, ['--data', restored, '--port', String(port)]);
    await again.port;
    session.reconnect();
    await waitForValue(session.uploadComplete$, 'uploadComplete$');
    await waitForValue(session.downloadComplete$, 'downloadComplete$');
    expect(await readTitles(realm)).toEqual(['before', 'unsent']);
    await client.close();
    again.child.kill('SIGTERM');
    expect(await again.ended).toBe(0);
    expect(existsSync(join(restored, 'admin.sock'))).toBe(false);
  });

  it('back up a folder whose server does not run, also one that was killed', async () => {
    const folder = fresh();
    const storage = await firstValueFrom(levelStorage(folder));
    const put = { type: 'put', key: 'realm/a/id', value: Uint8Array.of(0xa1, 0x61) } as const;
    await lastValueFrom(storage.batch([put], { durable: true }), { defaultValue: undefined });
    await lastValueFrom(storage.close(), { defaultValue: undefined });
    writeFileSync(join(folder, 'admin.sock'), '');
    expect(await tidemark('backup', folder, `${folder}-file`)).toMatchObject({ code: 0, err: '' });
    expect(await tidemark('restore', `${folder}-file`, `${folder}-again`)).toMatchObject({ code: 0, err: '' });
  });

  it('change nothing when they fail, and print the reason', async () => {
    const folder = fresh();
    expect(await tidemark('backup', `${folder}-nowhere`, `${folder}-file`)).toMatchObject({
      code: 1,
      err: `tidemark backup: ${folder}-nowhere does not exist.\n`,
    });
    writeFileSync(`${folder}-text`, 'no backup');
    const failed = await tidemark('restore', `${folder}-text`, `${folder}-data`);
    expect(failed).toMatchObject({ code: 1, err: expect.stringMatching(/is not a complete backup/) as unknown });
    expect([existsSync(`${folder}-file`), existsSync(`${folder}-data`)]).toEqual([false, false]);
  });

  it.each([
    [['backup'], 'Two paths are needed.'],
    [['restore', 'a'], 'Two paths are needed.'],
    [['restore', 'a', 'b', 'c'], 'Two paths are needed.'],
    [['backup', 'a', 'b', '--all'], "Unknown option '--all'."],
  ])('print their usage when they are called as %j', async (args, message) => {
    const [printed, printedErrors]: [string[], string[]] = [[], []];
    const code = await runCommand(args, {
      printLine: (line) => printed.push(line),
      printError: (line) => printedErrors.push(line),
    });
    expect([code, printed]).toEqual([2, []]);
    expect(printedErrors.join('\n')).toContain(`tidemark ${args[0]}: ${message}\n\nUsage: tidemark ${args[0]} <`);
  });

  it('print their usage on request', async () => {
    for (const command of ['backup', 'restore']) {
      const printed: string[] = [];
      expect(await runCommand([command, '--help'], { printLine: (line) => printed.push(line), printError: fail })).toBe(
        0,
      );
      expect(printed.join('\n')).toMatch(new RegExp(`^Usage: tidemark ${command} <`));
    }
  });
});
