import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { type Example, parseExamples } from '../../spec/example-compiler.js';
import { toProgramBody } from '../../spec/example-program.js';
import { pageNameOf } from './guides.js';

/** The pages whose examples run in the reader's browser. */
const runnablePages: readonly string[] = [
  'README.md',
  ...[
    'data',
    'offline',
    'subscriptions',
    'sync-state',
    'connection',
    'waiting',
    'progress',
    'errors',
    'tokens',
    'testing',
    'tools',
  ].map((name) => `docs/${name}.md`),
  'docs/coming-from-realm.md',
];

/** Whether a program can run in a browser, and has something to show: it opens no port. */
const isRunnable = ({ text }: Example): boolean =>
  !text.includes('.listen(') && /\b(openRealm\$?|marbles)\(/.test(text);

/** The programs of a page that run in the reader's browser, by their numbers on the page. */
export const readPrograms = (root: string, page: string): ReadonlyMap<number, Example> => {
  if (!runnablePages.includes(page)) return new Map();
  const examples = parseExamples(page, readFileSync(join(root, page), 'utf8'));
  return new Map([...examples.entries()].filter(([, example]) => isRunnable(example)));
};

const stepComment = /^\/\/ .*:$/;

/** Marks the beginning of each block, and gives each block a console of its own. */
const markBlocks = ({ text, blockLines }: Example): string => {
  const lines = text.split('\n');
  return lines
    .map((line, index) => {
      const block = blockLines.findLastIndex((first) => first - 1 <= index);
      if (blockLines[block] !== index + 1) return line;
      const isStepFirst = stepComment.test(lines[index + 1] ?? '');
      return `await enterBlock(${block}, ${isStepFirst}); const console${block} = consoles[${block}];`;
    })
    .join('\n');
};

const commentsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^\/\/ (.*:)$/gm)].map(([, comment = '']) => comment);

/** Returns the elements of the page that a guide describes: no head, and no scripts. */
const htmlOf = (markdown: string): string =>
  (/^```html\n([\s\S]*?)^```$/m.exec(markdown)?.[1] ?? '').replace(/^<(?:!doctype|meta|title|script).*\n/gm, '');

const moduleOf = (root: string, page: string, programs: ReadonlyMap<number, Example>): string => {
  const html = JSON.stringify(page === 'docs/offline.md' ? htmlOf(readFileSync(join(root, page), 'utf8')) : '');
  const entries = [...programs].map(([number, example]) => {
    let block = -1;
    // The console of a block is chosen in the compiled text, in which a call may have become longer.
    const body = toProgramBody(markBlocks(example), commentsOf(example.text))
      .split('\n')
      .map((line) => {
        block = Number(/^await enterBlock\((\d+)/.exec(line)?.[1] ?? block);
        return line.replace(/\bconsole\./g, `console${block}.`);
      })
      .join('\n');
    return `  ${number}: {
    page: ${JSON.stringify(page)},
    blocks: ${example.blockLines.length},
    html: ${html},
    run: async ({ modules, consoles, fetch, document, navigator, runStep, enterBlock }) => {
${body}
    },
  },`;
  });
  return `import { runExample } from '../../playground/run-example.js';
const programs = {
${entries.join('\n')}
};
export const runProgram = (program, lastBlock, hooks) => runExample(programs[program], lastBlock, hooks);
`;
};

/** Leads imports of the library to the compiled one in dist/, so that it is bundled as for an app. */
const libraryPlugin = (root: string): Plugin => ({
  name: 'library',
  setup: (bundle) => {
    bundle.onResolve({ filter: /^\.\.\/lib\/.*index\.js$/ }, ({ path }) => ({
      path: join(root, path.replace('../lib', 'dist')),
    }));
    bundle.onResolve({ filter: /^tidemark\/inspector$/ }, () => ({
      path: join(root, 'dist', 'inspector', 'index.js'),
    }));
  },
});

/** Writes a module for each page with examples to a folder. Throws when one cannot be bundled. */
export const writePrograms = async (root: string, pages: readonly string[], out: string): Promise<void> => {
  const folder = join(root, 'site', '.build', 'programs');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const entries = pages.flatMap((page) => {
    const programs = readPrograms(root, page);
    if (programs.size === 0) return [];
    const file = join(folder, `${pageNameOf(page)}.js`);
    writeFileSync(file, moduleOf(root, page, programs));
    return [file];
  });
  await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: join(out, 'playground'),
    ...{ platform: 'browser', format: 'esm', target: 'es2022', bundle: true, splitting: true, minify: true },
    plugins: [libraryPlugin(root)],
    tsconfigRaw: {},
    logLevel: 'warning',
    chunkNames: 'shared-[hash]',
    inject: [join(root, 'site', 'playground', 'example-clock.ts')],
    define: {
      Date: 'ExampleDate',
      'performance.now': 'exampleElapsed',
      setTimeout: 'exampleSetTimeout',
      setInterval: 'exampleSetInterval',
      clearTimeout: 'exampleClearTimeout',
      clearInterval: 'exampleClearTimeout',
      requestAnimationFrame: 'exampleRequestFrame',
    },
  });
};
