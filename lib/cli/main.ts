#!/usr/bin/env node
import { fromEvent, merge, NEVER } from 'rxjs';
import { systemClock } from '../clock.js';
import { runCommand } from './run-command.js';
import { watchParentExit } from './parent-process.js';

// A server goes on without its log. For other commands, a reader that stops early, such as `head`, is not a failure.
const isServer = process.argv[2] === 'serve';
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (!isServer) process.exit(error.code === 'EPIPE' ? 0 : 1);
});
process.stderr.on('error', () => undefined);

// Files that a command writes are for its user only: the data of a server, backups, the socket for commands.
process.umask(0o077);

const printLine = (line: string): void => void process.stdout.write(`${line}\n`);
const printError = (line: string): void => void process.stderr.write(`${line}\n`);

const { env } = process;
// npx and `npm run` end without passing the signal on to the program that they started.
const isBelowNpm = env['npm_execpath'] !== undefined || env['npm_command'] !== undefined;
const gone$ = isBelowNpm ? watchParentExit(() => process.ppid, systemClock) : NEVER;
const signals$ = merge(fromEvent(process, 'SIGTERM'), fromEvent(process, 'SIGINT'), gone$);
const args = process.argv.slice(2);

const erase = '\r\x1b[K';
const progress = (text: string): void => void process.stderr.write(`${erase}${text}`);
const output = { printLine, printError, ...(process.stderr.isTTY ? { progress } : {}) };

process.exitCode = await runCommand(args, output, { env, signals$ });
// A server that could not finish in time is not waited for.
if (isServer) process.exit();
