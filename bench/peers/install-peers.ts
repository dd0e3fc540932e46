import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installFolder } from './load-installed.js';

/** The committed list of packages. This file is compiled into `.tools/bench/peers/`. */
const packagesFolder = join(import.meta.dirname, '..', '..', '..', 'bench', 'peers', 'packages');
const files = ['package.json', 'package-lock.json', '.npmrc', 'load-package.js'];
/** Exists after a complete installation, with the lock file that was installed. */
const marker = join(installFolder, 'installed-lock.json');
const lockFile = join(packagesFolder, 'package-lock.json');
const installMsMax = 600_000;

/** A line in which npm explains an error, unlike those with its code and its log file. */
const reasonPattern = /^npm error (?!(code|errno|syscall|address|port|path|command) |A complete log)\S/;

/** Runs npm. Resolves to null, or to its explanation of an error. */
const runNpm = (...args: readonly string[]): Promise<string | null> =>
  new Promise((resolve) => {
    let output = '';
    const stop = (): void => void child.kill();
    const child = spawn('npm', args, {
      cwd: installFolder,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: installMsMax,
      shell: process.platform === 'win32',
    });
    process.once('exit', stop);
    child.stderr.on('data', (data: Buffer) => {
      output += data.toString();
    });
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => {
      process.off('exit', stop);
      const reason = output.split('\n').find((line) => reasonPattern.test(line));
      const text = reason?.replace('npm error ', '') ?? `npm ended with ${signal ?? `code ${code}`}`;
      resolve(code === 0 ? null : text);
    });
  });

export interface Installation {
  /** The reason why no peer is installed; null after an installation. */
  readonly error: string | null;
  /** The reason why SQLite, and with it Jazz, is missing; null after an installation. */
  readonly sqliteError: string | null;
}

/**
 * Installs the peers into a folder of their own, unless this has happened before. Of their install scripts it runs only
 * that of better-sqlite3, which loads or compiles a binary: without it, only Jazz is missing.
 */
export const installPeers = async (): Promise<Installation> => {
  const lock = readFileSync(lockFile, 'utf8');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return { error: null, sqliteError: null };
  rmSync(marker, { force: true });
  mkdirSync(installFolder, { recursive: true });
  for (const file of files) copyFileSync(join(packagesFolder, file), join(installFolder, file));
  process.stderr.write('Installing the peers. This takes some minutes the first time.\n');
  // Not `npm ci`: it rejects the lock file, which lacks optional binaries of Jazz for other systems.
  const error = await runNpm('install', '--ignore-scripts', '--prefer-offline', '--fetch-retries=1');
  if (error !== null) return { error, sqliteError: error };
  const sqliteError = await runNpm('rebuild', 'better-sqlite3', '--foreground-scripts');
  if (sqliteError === null) writeFileSync(marker, lock);
  return { error: null, sqliteError };
};
