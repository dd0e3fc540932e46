import { readFileSync } from 'node:fs';
import { NEVER } from 'rxjs';
import { didYouMean } from './spelling.js';
import type { Output, Surroundings } from './surroundings.js';

interface Command {
  /** What it does, in one line of `--help`. */
  readonly help: string;
  readonly example: string;
  /** Runs it with the arguments after its name. Loaded when it is asked for: most commands need no server. */
  readonly run: (args: readonly string[], output: Output, surroundings: Surroundings) => Promise<number>;
}

const commands: Readonly<Record<string, Command>> = {
  serve: {
    help: 'serves realms to devices until it is asked to end',
    example: 'tidemark serve --data ./data --secret-file ./secret',
    run: async (...given) => (await import('./serve.js')).serve(...given),
  },
  token: {
    help: 'makes a secret, or an access token signed with it, to try a server with',
    example: 'tidemark token --secret-file ./secret --user ann',
    run: async (args, output) => (await import('./token.js')).token(args, output),
  },
  backup: {
    help: 'writes all realms of a server into one file, also while it runs',
    example: 'tidemark backup ./data ./monday.backup',
    run: async (args, output) => (await import('./backup.js')).saving('backup', args, output),
  },
  restore: {
    help: 'makes a folder for a server out of a backup',
    example: 'tidemark restore ./monday.backup ./data-restored',
    run: async (args, output) => (await import('./backup.js')).saving('restore', args, output),
  },
  inspect: {
    help: 'prints what is in the realm of a device',
    example: 'tidemark inspect ./device-1 --type Task',
    run: async (args, output) => (await import('./inspect-command.js')).inspecting(args, output),
  },
};

const usage = `Usage: tidemark <command> [options]

Commands:
${Object.entries(commands)
  .map(([name, { help, example }]) => `  ${name.padEnd(8)} ${help}\n           ${example}`)
  .join('\n')}

tidemark <command> --help says more of a command. tidemark --version prints the version.`;

/** The version of this package. */
const versionOf = (): string => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  };
  return version;
};

const isHelp = (word: string | undefined): boolean => word !== undefined && ['--help', '-h', 'help'].includes(word);
const isVersion = (word: string | undefined): boolean =>
  word !== undefined && ['--version', '-v', 'version'].includes(word);

/** Runs the command of some arguments. Resolves with its exit code; never rejects but for a defect. */
export const run = async (
  args: readonly string[],
  output: Output,
  surroundings: Surroundings = { env: {}, signals$: NEVER },
): Promise<number> => {
  const [name, ...rest] = args;
  if (isHelp(name)) {
    const about = Object.hasOwn(commands, rest[0] ?? '') ? commands[rest[0] ?? ''] : undefined;
    if (about) return about.run(['--help'], output, surroundings);
    output.said(usage);
    return 0;
  }
  if (isVersion(name)) {
    output.said(versionOf());
    return 0;
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command.run(rest, output, surroundings);
  const wrong =
    name === undefined
      ? 'Which command?'
      : `There is no command "${name.slice(0, 64)}".${didYouMean(name, Object.keys(commands))}`;
  output.complained(`tidemark: ${wrong}\n\n${usage}`);
  return 2;
};
