import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

/** The library compiled for Node, in a folder from which packages are found. */
export interface BuiltLibrary {
  readonly folder: string;
  readonly remove: () => void;
}

/** Compiled files that are kept: some states of `lib`. */
const compiledMax = 4_000;

/**
 * Creates a function that compiles a text without type checks. The results are kept in a folder, by the text, because a
 * dozen specs compile `lib`, which takes four seconds each time.
 */
const createCompiler = (kept: string) => {
  mkdirSync(kept, { recursive: true });
  const known = new Set(readdirSync(kept));
  if (known.size > compiledMax) for (const name of known) rmSync(join(kept, name), { force: true });
  return (text: string): string => {
    const name = createHash('sha256').update(ts.version).update(text).digest('hex');
    try {
      if (known.has(name)) return readFileSync(join(kept, name), 'utf8');
    } catch {
      // Another process has removed it.
    }
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
    });
    const temporary = join(kept, `${name}-${process.pid}`);
    writeFileSync(temporary, outputText);
    renameSync(temporary, join(kept, name)); // Other processes see a whole file or none.
    return outputText;
  };
};

/** Compiles `lib` file by file without type checks, where a build takes ten seconds. */
export const buildLibrary = (): BuiltLibrary => {
  const cache = join(process.cwd(), 'node_modules', '.cache');
  const compile = createCompiler(join(cache, 'compiled'));
  const folder = mkdtempSync(join(cache, 'tidemark-'));
  const { imports, type } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, unknown>;
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type, imports }).replaceAll('./dist/', './'));
  for (const name of readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))) {
    const file = join(folder, name.replace(/ts$/, 'js'));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, compile(readFileSync(join('lib', name), 'utf8')));
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

/** Compiles `lib` before the first spec of a file or a `describe`, and removes the result after the last one. */
export const useBuiltLibrary = (): BuiltLibrary => {
  let built: BuiltLibrary | undefined;
  const remove = (): void => built?.remove();
  beforeAll(() => {
    built = buildLibrary();
  });
  afterAll(remove);
  return {
    get folder() {
      if (built === undefined) throw new Error('The library is compiled when the first spec begins.');
      return built.folder;
    },
    remove,
  };
};

/** A server in a process of its own, with a database in a folder. */
export interface ServerProcess {
  readonly port: number;
  /** Sends SIGKILL; resolves when the process has ended. */
  readonly kill: () => Promise<void>;
}

const mainProgram = `
import { createSyncServer } from './server/index.js';
const server = createSyncServer({ storage: process.argv[2] });
process.send((await server.listen({ port: 0 })).port);
process.on('disconnect', () => process.exit());
`;

const waitForExit = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });

export const startServerProcess = async ({ folder }: BuiltLibrary, storage: string): Promise<ServerProcess> => {
  writeFileSync(join(folder, 'main.js'), mainProgram);
  const child = fork(join(folder, 'main.js'), [storage], { execArgv: [] });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number));
    child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it listened`)));
  });
  return {
    port,
    kill: async () => {
      child.kill('SIGKILL');
      await waitForExit(child);
    },
  };
};
