import { parseArgs } from 'node:util';
import { firstValueFrom, lastValueFrom, tap } from 'rxjs';
import { TidemarkError } from '../model/errors.js';
import { levelStorage } from '../storage/level.js';
import type { InspectSelection } from './inspect-items.js';
import { inspectRealm } from './inspect-realm.js';
import { toJsonLines, toTextLines } from './inspect-output.js';
import { lockAdviceOf, folderProblemOf } from './storage-folder.js';
import { flagProblemOf } from './did-you-mean.js';
import type { CliOutput } from './cli-environment.js';

const usage = `Usage: tidemark inspect <storage> [options]

Prints the content of a realm in the folder <storage>: its metadata, its subscriptions, its objects as they are
stored, the changes to be uploaded, and the writes that the server has rejected.
Changes nothing. Close the app that has the realm open first. If the app cannot be closed, make a
snapshot of the volume and inspect a copy from it. An ordinary copy of an open folder is incomplete.

Example: tidemark inspect ./device-1 --type Task --limit 10

Options:
  --type <type>   only objects of this type, and changes of them
  --key <key>     only objects with this primary key, a deleted one too, and changes of them
  --limit <n>     at most this many objects, changes and rejected writes each (100)
  --json          a line of JSON for each: {"realm":…} {"view":…} {"object":…} {"change":…} {"rejected":…} {"counts":…}
  --salvage       read a damaged realm: print all that can be read, and {"damaged":…} for what cannot
  --help          this text

Exit code: 0 done, 1 the realm cannot be read, 2 wrong usage.`;

const options = {
  type: { type: 'string' },
  key: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'boolean', default: false },
  salvage: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** The parsed arguments; `wrong` is the problem of invalid ones. */
type InspectArguments =
  | {
      readonly folder: string;
      readonly selection: InspectSelection;
      readonly json: boolean;
      readonly salvage: boolean;
    }
  | 'help'
  | { readonly wrong: string };

const parseFlags = (args: readonly string[]): InspectArguments => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.help) return 'help';
  const [folder, ...more] = positionals;
  if (folder === undefined || folder === '') return { wrong: 'The storage is missing.' };
  if (more.length > 0) return { wrong: `Only one storage can be inspected at a time, received ${more.join(' ')} too.` };
  // A salvage is for all that is left, unless a limit is given.
  const { type = null, key = null, json, salvage, limit = salvage ? '999999999999999' : '100' } = values;
  if (!/^\d{1,15}$/.test(limit)) return { wrong: `--limit must be a whole number, received "${limit}".` };
  return { folder, selection: { type, key, limit: Number(limit) }, json, salvage };
};

const parseArguments = (args: readonly string[]): InspectArguments => {
  try {
    return parseFlags(args);
  } catch (thrown) {
    return { wrong: flagProblemOf(thrown, Object.keys(options)) };
  }
};

const printRealm = async (
  { folder, selection, json, salvage }: Extract<InspectArguments, { folder: string }>,
  { printLine }: CliOutput,
): Promise<void> => {
  const storage = await firstValueFrom(levelStorage(folder));
  try {
    const lineOf: typeof toTextLines = json ? toJsonLines : toTextLines;
    const found$ = inspectRealm(storage, selection, salvage).pipe(
      tap((item) => lineOf(item, folder).forEach(printLine)),
    );
    await lastValueFrom(found$);
  } finally {
    await lastValueFrom(storage.close(), { defaultValue: undefined });
  }
};

/** Runs `tidemark inspect`. Resolves with the exit code; rejects only for a defect. */
export const runInspectCommand = async (args: readonly string[], output: CliOutput): Promise<number> => {
  const asked = parseArguments(args);
  if (asked === 'help') {
    output.printLine(usage);
    return 0;
  }
  if ('wrong' in asked) {
    output.printError(`tidemark inspect: ${asked.wrong}\n\n${usage}`);
    return 2;
  }
  const { folder } = asked;
  const problem = folderProblemOf(folder);
  if (problem !== null) {
    output.printError(`tidemark inspect: ${problem}`);
    return 1;
  }
  try {
    await printRealm(asked, output);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof TidemarkError)) throw thrown;
    const holder = lockAdviceOf(folder, thrown);
    output.printError(`tidemark inspect: ${thrown.message}${holder === null ? '' : `\n${holder}`}`);
    return 1;
  }
};
