import { resolve } from 'node:path';
import ts from 'typescript';

/**
 * One program of a page: a fenced block that begins with three backticks and `ts`, and the blocks after it that are
 * marked `ts continued`. Blocks marked `ts sketch` are not run. Any other mark is an error.
 */
export interface Example {
  readonly page: string;
  /** The line of its first fence, from 1. */
  readonly line: number;
  /** The lines of the first fences of its blocks. */
  readonly blockLines: readonly number[];
  /** The text. Every line keeps its line number of the page, so that compiler errors point there. */
  readonly text: string;
}

const fence = /^ *```(\S*)(.*)$/;

const createExampleError = (page: string, line: number, why: string): Error => new Error(`${page}:${line} ${why}`);

export const parseExamples = (page: string, markdown: string): readonly Example[] => {
  const programs: { blockLines: number[]; lines: string[] }[] = [];
  let open: { line: number; into: string[] | null } | null = null;
  markdown.split('\n').forEach((text, index) => {
    const line = index + 1;
    const [, language = '', rest = ''] = fence.exec(text) ?? [];
    if (open && text.trim() === '```') open = null;
    else if (open) {
      if (open.into) open.into[index] = text;
    } else if (fence.test(text)) {
      const mark = rest.trim();
      if (language === 'typescript') throw createExampleError(page, line, 'says typescript where the others say ts');
      if (language === 'ts' && !['', 'continued', 'sketch'].includes(mark))
        throw createExampleError(page, line, `has an unknown mark: ${mark}`);
      if (language === 'ts' && mark === '') programs.push({ blockLines: [], lines: [] });
      const last = programs.at(-1);
      if (language === 'ts' && mark === 'continued' && !last) throw createExampleError(page, line, 'continues nothing');
      const isRun = language === 'ts' && mark !== 'sketch';
      if (isRun) last?.blockLines.push(line);
      open = { line, into: isRun && last ? last.lines : null };
    }
  });
  // The variable is assigned inside the callback, which the compiler does not follow.
  const left = open as { line: number } | null;
  if (left) throw createExampleError(page, left.line, 'is never closed');
  return programs.map(({ blockLines, lines }) => ({
    page,
    line: blockLines[0] ?? 0,
    blockLines,
    text: Array.from(lines, (text?: string) => text ?? '').join('\n'),
  }));
};

/** Returns the sketches of a page that begin with an import: these are whole modules, although they are not run. */
export const parseSketches = (page: string, markdown: string): readonly Example[] =>
  [...markdown.matchAll(/^```ts sketch\n(import [\s\S]*?)^```$/gm)].map(({ index, 1: text = '' }) => {
    const line = markdown.slice(0, index).split('\n').length;
    return { page, line, blockLines: [line], text: '\n'.repeat(line) + text };
  });

/** Returns the project's own options, but allows unused declarations in examples. */
const optionsOf = (root: string): ts.CompilerOptions => {
  const { config } = ts.readConfigFile(resolve(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  return { ...options, noUnusedLocals: false, noUnusedParameters: false };
};

/** Compiles examples and returns the errors, a line each, with their places in the page. */
export const compileErrorsOf = (root: string, examples: readonly Example[]): readonly string[] => {
  const options = optionsOf(root);
  const known = new Map(examples.map((example) => [resolve(root, `${example.page}.${example.line}.ts`), example]));
  const host = ts.createCompilerHost(options, true);
  const plain = { ...host };
  host.fileExists = (path) => known.has(path) || plain.fileExists(path);
  host.readFile = (path) => known.get(path)?.text ?? plain.readFile(path);
  host.getSourceFile = (path, language, ...rest) => {
    const example = known.get(path);
    // Each example is a module of its own: its declarations are private, and it may await.
    return example
      ? ts.createSourceFile(path, `${example.text}\nexport {};`, language, true)
      : plain.getSourceFile(path, language, ...rest);
  };
  const program = ts.createProgram([...known.keys()], options, host);
  return [...known].flatMap(([path, { page }]) => {
    const tree = program.getSourceFile(path);
    return ts.getPreEmitDiagnostics(program, tree).map(({ messageText, start = 0 }) => {
      const line = (tree?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
      return `${page}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  });
};
