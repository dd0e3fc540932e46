import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { levelStorage } from '../../lib/storage/level.js';
import { waitUntilDone } from '../store/test-kit.js';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Creates a function that runs the command line of a compiled library. */
export const commandOf =
  (lib: { readonly folder: string }) =>
  (...args: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      execFile(process.execPath, [join(lib.folder, 'cli', 'main.js'), ...args], (error, out, err) => {
        resolve({ code: Number(error?.code ?? 0), out, err });
      });
    });

/** The lines of JSON that a command has printed. */
export const jsonOf = ({ out }: Ran) =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** All entries of a storage, to see that nothing has changed. */
export const entriesAt = async (storagePath: string) => {
  const storage = await firstValueFrom(levelStorage(storagePath));
  const entries = await firstValueFrom(storage.range({ from: ' ', to: '\x7f', limit: 1_000, bytesMax: Infinity }));
  await waitUntilDone(storage.close());
  return entries.map(([key, value]) => [key, Buffer.from(value).toString('hex')]);
};
