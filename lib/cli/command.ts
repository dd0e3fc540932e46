import { parseArgs } from 'node:util';
import { firstValueFrom, lastValueFrom, NEVER, tap } from 'rxjs';
import { TidemarkError } from '../model/errors.js';
import { levelStorage } from '../storage/level.js';
import { inspected, type Wanted } from './inspect.js';
import { asJson, asText } from './print.js';
import { holderOf, refusalOf } from './place.js';
import type { Output, Surroundings } from './surroundings.js';

const usage = `Usage: tidemark inspect <storage> [options]
       tidemark serve --data <folder> [options]     (more of it: tidemark serve --help)
       tidemark backup <data> <file>                (… backup --help)
       tidemark restore <file> <data>               (… restore --help)

inspect prints what is in a realm that LevelDB keeps in the folder <storage>: what it knows of itself,
its objects as they are stored, what waits to be uploaded, and what the server has refused.
Nothing of it is changed. The app that has it open has to be closed first, or a copy inspected.

Options:
  --type <type>   only objects of this type, and changes of them
  --key <key>     only objects with this primary key, a deleted one too, and changes of them
  --limit <n>     at most so many objects, changes and refused writes each (100)
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
  const [command, place, ...more] = positionals;
  if (command === undefined) return { wrong: 'no command' };
  if (command !== 'inspect') return { wrong: `there is no command "${command}"` };
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

/** Runs the command of some arguments. Resolves with its exit code; never rejects but for a defect. */
export const run = async (
  args: readonly string[],
  output: Output,
  surroundings: Surroundings = { env: {}, signals$: NEVER },
): Promise<number> => {
  if (args[0] === 'serve') {
    const { serve } = await import('./serve.js'); // The other commands do without all that a server needs.
    return serve(args.slice(1), output, surroundings);
  }
  if (args[0] === 'backup' || args[0] === 'restore') {
    const { saving } = await import('./backup.js');
    return saving(args[0], args.slice(1), output);
  }
  const asked = askedOf(args);
  if (asked === 'help') {
    output.said(usage);
    return 0;
  }
  if ('wrong' in asked) {
    output.complained(`tidemark: ${asked.wrong}\n\n${usage}`);
    return 2;
  }
  const { place, wanted, json } = asked;
  const refused = refusalOf(place);
  if (refused !== null) {
    output.complained(`tidemark: ${refused}`);
    return 1;
  }
  try {
    await inspect(place, wanted, json ? asJson : asText, output);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof TidemarkError)) throw thrown;
    const holder = holderOf(place, thrown);
    output.complained(`tidemark: ${thrown.message}${holder === null ? '' : `\n${holder}`}`);
    return 1;
  }
};
