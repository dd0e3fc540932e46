import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import type { BuiltLibrary } from '../server/server-process.js';

/** Compiles one file of `spec` beside the built library. Its value imports must be compiled there too. */
const compileSpecFile = ({ folder }: BuiltLibrary, path: string): string => {
  const { outputText } = ts.transpileModule(readFileSync(path, 'utf8').replaceAll("'../../lib/", "'../../"), {
    compilerOptions: { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
  });
  const file = join(folder, path.replace(/ts$/, 'js'));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, outputText);
  return file;
};

/**
 * Runs the first of some files of `spec` in a process of its own, with `gc` available, and resolves with the message
 * that it sends. The other files are its imports. Rejects when the process ends without a message.
 */
export const measureInProcess = async <T>(
  code: BuiltLibrary,
  files: readonly string[],
  args: readonly string[] = [],
): Promise<T> => {
  const [main = ''] = files.map((path) => compileSpecFile(code, path));
  const child = fork(main, [...args], { execArgv: ['--expose-gc'] });
  try {
    return await new Promise<T>((resolve, reject) => {
      child.once('message', (message) => resolve(message as T));
      child.once('exit', (status) => reject(new Error(`${main} ended with ${status} before it sent a message`)));
    });
  } finally {
    child.kill('SIGKILL');
  }
};
