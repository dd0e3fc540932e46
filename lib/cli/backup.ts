import { parseArgs } from 'node:util';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { backup, type BackupSummary, type Progress, restore } from '../backup/backup.js';
import { systemClock } from '../clock.js';
import { TidemarkError } from '../model/errors.js';
import { levelStorage } from '../storage/level.js';
import { askForBackup } from './admin.js';
import { holderOf, refusalOf } from './place.js';
import type { Output } from './surroundings.js';

const usages = {
  backup: `Usage: tidemark backup <data> <file>

Writes all realms that a server keeps in the folder <data> into <file>, as they are at one moment. The
server may run meanwhile (on this machine, as the same user), and goes on working. <file> must not be
there yet; it has its name only when all of it is on the disk. It is compressed.

Example: tidemark backup ./data ./monday.backup`,
  restore: `Usage: tidemark restore <file> <data>

Makes the folder <data> for a server out of a backup. It must not be there yet. Everything is checked
first. Each realm gets a new history: every device notices when it connects, and starts over with what it
has not yet uploaded. What was uploaded after the backup was made is not in it.

Example: tidemark restore ./monday.backup ./data-restored`,
} as const;

const codes = '\n\nExit code: 0 done, 1 it failed, 2 wrong usage.';

/** Bytes for people. */
const shownBytes = (bytes: number): string =>
  bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;

const shownEntries = (entries: number): string => `${entries.toLocaleString('en-US')} entries`;

/** Shows how far it is, ten times a second at most. */
const showing = (show: Output['progress'], what: string): Progress => {
  if (!show) return () => undefined;
  let last = -Infinity;
  return ({ entries, bytes }) => {
    const now = systemClock.now();
    if (now - last < 100) return;
    last = now;
    show(`${what} ${shownEntries(entries)}, ${shownBytes(bytes)} …`);
  };
};

const backedUp = async (data: string, file: string, progress: Progress): Promise<BackupSummary> => {
  const answer = await askForBackup(data, file);
  if (answer !== null) {
    if ('failed' in answer) throw new CommandError(answer.failed);
    return answer.done as BackupSummary;
  }
  const refused = refusalOf(data);
  if (refused !== null) throw new CommandError(refused);
  const storage = await firstValueFrom(levelStorage(data));
  try {
    return await backup(storage, file, progress);
  } finally {
    await lastValueFrom(storage.close(), { defaultValue: undefined });
  }
};

/** What a server that was asked has answered, or what there is to say before anything is tried. */
class CommandError extends TidemarkError {
  override readonly name = 'CommandError';
  readonly code = 'command';
}

const work = {
  backup: async (data: string, file: string, show: Output['progress']): Promise<string> => {
    const { entries, bytes } = await backedUp(data, file, showing(show, 'Backing up:'));
    return `${file}: ${shownEntries(entries)}, ${shownBytes(bytes)}`;
  },
  restore: async (file: string, data: string, show: Output['progress']): Promise<string> => {
    const { entries, realms } = await restore(file, data, systemClock, showing(show, 'Restoring:'));
    return `${data}: ${shownEntries(entries)}, ${realms} realms with a new history each`;
  },
} as const;

type Asked = readonly [string, string] | 'help' | { readonly wrong: string };

const askedOf = (args: readonly string[]): Asked => {
  const options = { help: { type: 'boolean', short: 'h', default: false } } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help) return 'help';
    const [from, to, ...more] = positionals;
    if (from === undefined || to === undefined || more.length > 0) return { wrong: 'two paths' };
    return [from, to];
  } catch (thrown) {
    return { wrong: (thrown as Error).message.split('. ')[0] ?? '' }; // `parseArgs` throws nothing else.
  }
};

/** Runs `tidemark backup` or `tidemark restore`. Resolves with the exit code; never rejects but for a defect. */
export const saving = async (
  command: 'backup' | 'restore',
  args: readonly string[],
  { said, complained, progress }: Output,
): Promise<number> => {
  const asked = askedOf(args);
  if (asked === 'help') {
    said(`${usages[command]}${codes}`);
    return 0;
  }
  if ('wrong' in asked) {
    complained(`tidemark ${command}: ${asked.wrong}\n\n${usages[command]}${codes}`);
    return 2;
  }
  try {
    const done = await work[command](...asked, progress);
    progress?.('');
    said(done);
    return 0;
  } catch (thrown) {
    progress?.('');
    if (!(thrown instanceof TidemarkError)) throw thrown;
    const holder = holderOf(asked[0], thrown, '');
    complained(`tidemark ${command}: ${thrown.message}${holder === null ? '' : `\n${holder}`}`);
    return 1;
  }
};
