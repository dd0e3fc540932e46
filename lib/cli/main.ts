#!/usr/bin/env node
import { fromEvent, merge } from 'rxjs';
import { run } from './command.js';

// Whoever reads no further, as `head` does, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

// What a command writes is for its user alone: the data of a server, backups, the socket for commands.
process.umask(0o077);

const said = (line: string): void => void process.stdout.write(`${line}\n`);
const complained = (line: string): void => void process.stderr.write(`${line}\n`);

const signals$ = merge(fromEvent(process, 'SIGTERM'), fromEvent(process, 'SIGINT'));
const args = process.argv.slice(2);

process.exitCode = await run(args, { said, complained }, { env: process.env, signals$ });
// What a server could not finish in time is not waited for.
if (args[0] === 'serve') process.exit();
