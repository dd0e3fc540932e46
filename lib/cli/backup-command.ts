import { parseArgs } from 'node:util';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { writeBackup, type BackupSummary, type BackupProgress, restore } from '../backup/backup.js';
import { systemClock } from '../clock.js';
import { TidemarkError } from '../model/errors.js';
import { levelStorage } from '../storage/level.js';
import { askForBackup } from './admin-socket.js';
import { lockAdviceOf, folderProblemOf } from './storage-folder.js';
import { flagProblemOf } from './did-you-mean.js';
import type { CliOutput } from './cli-environment.js';

const usages = {
  backup: `Usage: tidemark backup <data> <file>

Writes all realms of the server in the folder <data> into <file>, as they are at one moment. The server
may run meanwhile, on this machine and as the same user. <file> must not exist. It gets its name when all
of it is on the disk. It is compressed.

Example: tidemark backup ./data ./monday.backup`,
  restore: `Usage: tidemark restore <file> <data>

Makes the folder <data> for a server from a backup. The folder must not exist. The backup is checked
first. Each realm gets a new history: every device that connects downloads it again and keeps its unsent
changes. Changes that were uploaded after the backup are not in it.

Example: tidemark restore ./monday.backup ./data-restored`,
} as const;

const exitCodesText = '\n\nExit code: 0 done, 1 failed, 2 wrong usage.';

/** Formats bytes for output. */
const bytesTextOf = (bytes: number): string =>
  bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;

const entriesTextOf = (entries: number): string => `${entries.toLocaleString('en-US')} entries`;

/** Shows progress, at most ten times a second. */
const createProgressDisplay = (show: CliOutput['progress'], action: string): BackupProgress => {
  if (!show) return () => undefined;
  let last = -Infinity;
  return ({ entries, bytes }) => {
    const now = systemClock.now();
    if (now - last < 100) return;
    last = now;
    show(`${action} ${entriesTextOf(entries)}, ${bytesTextOf(bytes)} …`);
  };
};

const backUpFolder = async (data: string, file: string, progress: BackupProgress): Promise<BackupSummary> => {
  const answer = await askForBackup(data, file);
  if (answer !== null) {
    if ('failed' in answer) throw new CommandError(answer.failed);
    return answer.done as BackupSummary;
  }
  const problem = folderProblemOf(data);
  if (problem !== null) throw new CommandError(problem);
  const storage = await firstValueFrom(levelStorage(data));
  try {
    return await writeBackup(storage, file, progress);
  } finally {
    await lastValueFrom(storage.close(), { defaultValue: undefined });
  }
};

/** A failure that the server reported, or a problem that was found before the command started. */
class CommandError extends TidemarkError {
  override readonly name = 'CommandError';
  readonly code = 'command';
}

const actions = {
  backup: async (data: string, file: string, show: CliOutput['progress']): Promise<string> => {
    const { entries, bytes } = await backUpFolder(data, file, createProgressDisplay(show, 'Backing up:'));
    return `${file}: ${entriesTextOf(entries)}, ${bytesTextOf(bytes)}`;
  },
  restore: async (file: string, data: string, show: CliOutput['progress']): Promise<string> => {
    const { entries, realms } = await restore(file, data, systemClock, createProgressDisplay(show, 'Restoring:'));
    return `${data}: ${entriesTextOf(entries)}, ${realms} realms with a new history each`;
  },
} as const;

type BackupArguments = readonly [string, string] | 'help' | { readonly wrong: string };

const parseArguments = (args: readonly string[]): BackupArguments => {
  const options = { help: { type: 'boolean', short: 'h', default: false } } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help) return 'help';
    const [from, to, ...more] = positionals;
    if (from === undefined || to === undefined || more.length > 0) return { wrong: 'Two paths are needed.' };
    return [from, to];
  } catch (thrown) {
    return { wrong: flagProblemOf(thrown, Object.keys(options)) };
  }
};

/** Runs `tidemark backup` or `tidemark restore`. Resolves with the exit code; rejects only for a defect. */
export const runBackupCommand = async (
  command: 'backup' | 'restore',
  args: readonly string[],
  { printLine, printError, progress }: CliOutput,
): Promise<number> => {
  const asked = parseArguments(args);
  if (asked === 'help') {
    printLine(`${usages[command]}${exitCodesText}`);
    return 0;
  }
  if ('wrong' in asked) {
    printError(`tidemark ${command}: ${asked.wrong}\n\n${usages[command]}${exitCodesText}`);
    return 2;
  }
  try {
    const done = await actions[command](...asked, progress);
    progress?.('');
    printLine(done);
    return 0;
  } catch (thrown) {
    progress?.('');
    if (!(thrown instanceof TidemarkError)) throw thrown;
    const holder = lockAdviceOf(asked[0], thrown, '');
    printError(`tidemark ${command}: ${thrown.message}${holder === null ? '' : `\n${holder}`}`);
    return 1;
  }
};
