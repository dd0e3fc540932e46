import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { checkDocstrings } from './docstring-rules.js';

const root = process.cwd();
const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config,
  ts.sys,
  root,
);
const entryPoints = ['lib/index.ts', 'lib/inspector/index.ts', 'lib/server/index.ts', 'lib/testing/index.ts'].map(
  (path) => join(root, path),
);

/** `allowAnyone` has the type `Authenticate`, and ignores its parameter. */
const exceptions: readonly string[] = ['allowAnyone has no @param token'];

describe('the docstrings of public names', () => {
  it('say what functions take and return, and when streams emit, complete and error', () => {
    const program = ts.createProgram(entryPoints, options);
    const findings = entryPoints.flatMap((path) => checkDocstrings(program, path));
    expect(findings.filter((finding) => !exceptions.includes(finding))).toEqual([]);
    expect(exceptions.filter((exception) => !findings.includes(exception))).toEqual([]);
  });
});

describe('the rules for docstrings', () => {
  it('see missing tags, and streams that do not say when they emit, complete and error', () => {
    const folder = mkdtempSync(join(root, 'node_modules', '.cache-docstrings-'));
    const path = join(folder, 'lib', 'entry.ts');
    try {
      ts.sys.createDirectory(join(folder, 'lib'));
      writeFileSync(
        path,
        `import type { Observable } from 'rxjs';
export const bare = (): void => undefined;
/** Doubles. */
export const double = (value: number): number => value * 2;
/** A port. */
export interface Port {
  /** Hot. Emits values. Never errors. */
  readonly value$: Observable<number>;
  readonly size: number;
}
`,
      );
      expect(checkDocstrings(ts.createProgram([path], options), path)).toEqual([
        'bare has no docstring',
        'double has no @param value',
        'double has no @returns',
        'double has no @example',
        'Port.value$ does not say when it completes',
        'Port.size has no docstring',
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
