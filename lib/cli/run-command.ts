import { readFileSync } from 'node:fs';
import { NEVER } from 'rxjs';
import { didYouMean } from './did-you-mean.js';
import type { CliOutput, CliEnvironment } from './cli-environment.js';

interface Command {
  /** The description in `--help`, in one line. */
  readonly help: string;
  readonly example: string;
  /** Runs the command with the arguments after its name. Loaded on demand, because most commands need no server. */
  readonly run: (args: readonly string[], output: CliOutput, environment: CliEnvironment) => Promise<number>;
}

const commands: Readonly<Record<string, Command>> = {
  serve: {
    help: 'serves realms to devices until it receives a signal',
    example: 'tidemark serve --data ./data --secret-file ./secret',
    run: async (...given) => (await import('./serve-command.js')).runServeCommand(...given),
  },
  token: {
    help: 'makes a secret, or an access token signed with it, to try a server',
    example: 'tidemark token --secret-file ./secret --user ann',
    run: async (args, output) => (await import('./token-command.js')).runTokenCommand(args, output),
  },
  backup: {
    help: 'writes all realms of a server into one file, also while it runs',
    example: 'tidemark backup ./data ./monday.backup',
    run: async (args, output) => (await import('./backup-command.js')).runBackupCommand('backup', args, output),
  },
  restore: {
    help: 'makes a folder for a server from a backup',
    example: 'tidemark restore ./monday.backup ./data-restored',
    run: async (args, output) => (await import('./backup-command.js')).runBackupCommand('restore', args, output),
  },
  inspect: {
    help: 'prints the content of the realm of a device',
    example: 'tidemark inspect ./device-1 --type Task',
    run: async (args, output) => (await import('./inspect-command.js')).runInspectCommand(args, output),
  },
};

const usage = `Usage: tidemark <command> [options]

Commands:
${Object.entries(commands)
  .map(([name, { help, example }]) => `  ${name.padEnd(8)} ${help}\n           ${example}`)
  .join('\n')}

tidemark <command> --help describes a command. tidemark --version prints the version.`;

const readVersion = (): string => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  };
  return version;
};

const isHelpFlag = (word: string | undefined): boolean => word !== undefined && ['--help', '-h', 'help'].includes(word);
const isVersionFlag = (word: string | undefined): boolean =>
  word !== undefined && ['--version', '-v', 'version'].includes(word);

/** Returns the name of the package that Node did not find: `ws` is optional, because most apps have no server. */
const missingPackageOf = (thrown: unknown): string | undefined => {
  const { code, message } = thrown as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' ? /^Cannot find package '([^']+)'/.exec(message)?.[1] : undefined;
};

/** Runs a command. If it needs a package that is not installed, says which, and returns 1. */
const runLoaded = async (name: string, run: () => Promise<number>, { printError }: CliOutput): Promise<number> => {
  try {
    return await run();
  } catch (thrown) {
    const missing = missingPackageOf(thrown);
    if (missing === undefined) throw thrown;
    printError(`tidemark ${name}: The package ${missing} is not installed. Install it with npm install ${missing}.`);
    return 1;
  }
};

/** Runs the command of some arguments. Resolves with its exit code; rejects only for a defect. */
export const runCommand = async (
  args: readonly string[],
  output: CliOutput,
  environment: CliEnvironment = { env: {}, signals$: NEVER },
): Promise<number> => {
  const [name, ...rest] = args;
  if (isHelpFlag(name)) {
    const described = Object.hasOwn(commands, rest[0] ?? '') ? commands[rest[0] ?? ''] : undefined;
    if (described) return runLoaded(rest[0] ?? '', () => described.run(['--help'], output, environment), output);
    output.printLine(usage);
    return 0;
  }
  if (isVersionFlag(name)) {
    output.printLine(readVersion());
    return 0;
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return runLoaded(name ?? '', () => command.run(rest, output, environment), output);
  const wrong =
    name === undefined
      ? 'The command is missing.'
      : `There is no command "${name.slice(0, 64)}".${didYouMean(name, Object.keys(commands))}`;
  output.printError(`tidemark: ${wrong}\n\n${usage}`);
  return 2;
};
