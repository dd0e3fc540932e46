import { parseArgs } from 'node:util';
import { firstValueFrom, lastValueFrom, tap } from 'rxjs';
import { TidemarkError } from '../model/errors.js';
import { levelStorage } from '../storage/level.js';
import { inspected, type Wanted } from './inspect.js';
import { asJson, asText } from './print.js';
import { holderOf, refusalOf } from './place.js';
import type { Output } from './surroundings.js';

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
type Asked =
  { readonly place: string; readonly wanted: Wanted; readonly json: boolean } | 'help' | { readonly wrong: string };

const parsed = (args: readonly string[]): Asked => {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.help) return 'help';
  const [place, ...more] = positionals;
  if (place === undefined || place === '') return { wrong: 'which storage?' };
  if (more.length > 0) return { wrong: `one storage at a time, not ${more.join(' ')} too` };
  if (!/^\d{1,15}$/.test(values.limit)) return { wrong: `--limit takes a whole number, not "${values.limit}"` };
  const { type = null, key = null } = values;
  return { place, wanted: { type, key, limit: Number(values.limit) }, json: values.json };
};

const askedOf = (args: readonly string[]): Asked => {
  try {
    return parsed(args);
  } catch (thrown) {
    return { wrong: (thrown as Error).message.split('. ')[0] ?? '' }; // `parseArgs` throws nothing else.
  }
};

const inspect = async (place: string, wanted: Wanted, lineOf: typeof asText, { said }: Output): Promise<void> => {
  const storage = await firstValueFrom(levelStorage(place));
  try {
    const found$ = inspected(storage, wanted).pipe(tap((found) => lineOf(found, place).forEach(said)));
    await lastValueFrom(found$);
  } finally {
    await lastValueFrom(storage.close(), { defaultValue: undefined });
  }
};

/** Runs `tidemark inspect`. Resolves with the exit code; never rejects but for a defect. */
export const inspecting = async (args: readonly string[], output: Output): Promise<number> => {
  const asked = askedOf(args);
  if (asked === 'help') {
    output.said(usage);
    return 0;
  }
  if ('wrong' in asked) {
    output.complained(`tidemark inspect: ${asked.wrong}\n\n${usage}`);
    return 2;
  }
  const { place, wanted, json } = asked;
  const refused = refusalOf(place);
  if (refused !== null) {
    output.complained(`tidemark inspect: ${refused}`);
    return 1;
  }
  try {
    await inspect(place, wanted, json ? asJson : asText, output);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof TidemarkError)) throw thrown;
    const holder = holderOf(place, thrown);
    output.complained(`tidemark inspect: ${thrown.message}${holder === null ? '' : `\n${holder}`}`);
    return 1;
  }
};
