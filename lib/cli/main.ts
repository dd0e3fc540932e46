#!/usr/bin/env node
import { run } from './command.js';

// Whoever reads no further, as `head` does, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const said = (line: string): void => void process.stdout.write(`${line}\n`);
const complained = (line: string): void => void process.stderr.write(`${line}\n`);

process.exitCode = await run(process.argv.slice(2), { said, complained });
