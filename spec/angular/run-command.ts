import { spawnSync } from 'node:child_process';

/** Milliseconds for an installation, a build or a run of specs, on a busy machine. */
export const msMax = 300_000;

/** Runs a command to its end, and returns its output. Throws when it fails. */
export const runCommand = (cwd: string, command: string, ...args: readonly string[]): string => {
  const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', NG_CLI_ANALYTICS: 'false' };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: msMax });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`);
  return `${stdout}\n${stderr}`;
};
