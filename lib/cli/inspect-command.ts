import { parseArgs } from 'node:util';
import { firstValueFrom, lastValueFrom, tap } from 'rxjs';
import { TidemarkError } from '../model/errors.js';
import { levelStorage } from '../storage/level.js';
import { inspectRealm, type InspectSelection } from './inspect-realm.js';
import { toJsonLines, toTextLines } from './inspect-output.js';
import { lockAdviceOf, folderProblemOf } from './storage-folder.js';
import type { CliOutput } from './cli-environment.js';

const usage = `Usage: tidemark inspect <storage> [options]

Prints what is in a realm that LevelDB keeps in the folder <storage>: what the realm knows of itself,
its objects as they are stored, what waits to be uploaded, and what the server has rejected.
Nothing of it is changed. The app that has it open has to be closed first, or a copy inspected.

Example: tidemark inspect ./device-1 --type Task --limit 10

Options:
  --type <type>   only objects of this type, and changes of them
  --key <key>     only objects with this primary key, a deleted one too, and changes of them
  --limit <n>     at most this many objects, changes and rejected writes each (100)
  --json          a line of JSON for each: {"realm":…} {"object":…} {"change":…} {"refused":…} {"counts":…}
  --help          this text

Exit code: 0 done, 1 it cannot be read, 2 wrong usage.`;

const options = {
  type: { type: 'string' },
  key: { type: 'string' },
  limit: { type: 'string', default: '100' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** What was asked for; a text says what is wrong with it. */
type InspectArguments =
  | { readonly folder: string; readonly selection: InspectSelection; readonly json: boolean }
  | 'help'
  | { readonly wrong: string };

const parseFlags = (args: readonly string[]): InspectArguments => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.help) return 'help';
  const [place, ...more] = positionals;
  if (place === undefined || place === '') return { wrong: 'which storage?' };
  if (more.length > 0) return { wrong: `one storage at a time, not ${more.join(' ')} too` };
  if (!/^\d{1,15}$/.test(values.limit)) return { wrong: `--limit takes a whole number, not "${values.limit}"` };
  const { type = null, key = null } = values;
  return { folder: place, selection: { type, key, limit: Number(values.limit) }, json: values.json };
};

const parseArguments = (args: readonly string[]): InspectArguments => {
  try {
    return parseFlags(args);
  } catch (thrown) {
    return { wrong: (thrown as Error).message.split('. ')[0] ?? '' }; // `parseArgs` throws nothing else.
  }
};

const printRealm = async (
  place: string,
  wanted: InspectSelection,
  lineOf: typeof toTextLines,
  { printLine }: CliOutput,
): Promise<void> => {
  const storage = await firstValueFrom(levelStorage(place));
  try {
    const found$ = inspectRealm(storage, wanted).pipe(tap((found) => lineOf(found, place).forEach(printLine)));
    await lastValueFrom(found$);
  } finally {
    await lastValueFrom(storage.close(), { defaultValue: undefined });
  }
};

/** Runs `tidemark inspect`. Resolves with the exit code; never rejects but for a defect. */
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
  const { folder, selection, json } = asked;
  const refused = folderProblemOf(folder);
  if (refused !== null) {
    output.printError(`tidemark inspect: ${refused}`);
    return 1;
  }
  try {
    await printRealm(folder, selection, json ? toJsonLines : toTextLines, output);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof TidemarkError)) throw thrown;
    const holder = lockAdviceOf(folder, thrown);
    output.printError(`tidemark inspect: ${thrown.message}${holder === null ? '' : `\n${holder}`}`);
    return 1;
  }
};
