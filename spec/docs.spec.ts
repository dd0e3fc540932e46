import { existsSync, readdirSync, readFileSync } from 'node:fs';
import * as tidemark from '../lib/index.js';
import { parseExamples } from './example-compiler.js';
import { runExample } from './example-runner.js';
import { steps } from './page-steps.js';

const { defaultTimeouts, syncErrors, transitions } = tidemark;

const pages = [
  'coming-from-realm',
  'connection',
  'data',
  'errors',
  'hosting',
  'progress',
  'subscriptions',
  'sync-state',
  'testing',
  'tokens',
  'tools',
  'waiting',
].map((name) => `docs/${name}.md`);
const textOf = (page: string): string => readFileSync(page, 'utf8');

/** Returns the rows of the table whose head begins with this cell. */
const tableOf = (page: string, first: string): readonly string[] => {
  const lines = textOf(page).split('\n');
  const head = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  const end = lines.findIndex((line, index) => index > head && !line.startsWith('|'));
  return lines.slice(head, end).filter((_, index) => index !== 1);
};

/** Formats a number like the pages do: 120 000. */
const spaced = (ms: number): string => ms.toLocaleString('en').replaceAll(',', ' ');

const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

describe.each(pages)('%s', (page) => {
  // The spec docs-examples.spec.ts checks that the examples of all pages compile.
  it('has examples that log the values in the comments beside them', async () => {
    const examples = parseExamples(page, textOf(page));
    expect(examples).toHaveLength(1);
    for (const { text } of examples) await runExample(page, text);
  }, 10_000);

  it('is in the list of the README', () => {
    expect(textOf('README.md').includes(`[${page}](${page})`)).toBe(true);
  });
});

describe('the steps', () => {
  it('belong to pages whose examples run', () => {
    expect(Object.keys(steps).filter((page) => !pages.includes(page))).toEqual([]);
  });
});

describe('the tables of the pages', () => {
  it('have an example for every row about conflicts', () => {
    const markdown = textOf('docs/data.md');
    const rows = [...markdown.matchAll(/^\| \[.*\]\(#([a-z-]+)\) \|/gm)].map(([, anchor]) => anchor);
    const sections = markdown.split(/^### /m).slice(1);
    expect(sections.map((text) => text.split('\n')[0]?.toLowerCase().replaceAll(' ', '-'))).toEqual(rows);
    for (const text of sections) expect(text).toMatch(/console\.log\((pick\()?both\(/);
  });

  it('have all transitions of syncState', () => {
    const states = Object.keys(transitions) as tidemark.SyncState[];
    const inputs = Object.keys(transitions.active) as tidemark.SyncInput[];
    const cell = (from: tidemark.SyncState, input: tidemark.SyncInput): string =>
      transitions[from][input] === from ? '·' : transitions[from][input];
    expect(tableOf('docs/sync-state.md', '')).toEqual([
      row('', ...states.map((state) => `\`${state}\``)),
      ...inputs.map((input) => row(`\`${input}\``, ...states.map((from) => cell(from, input)))),
    ]);
  });

  it('have the errors with their levels, ends and advice', () => {
    expect(tableOf('docs/errors.md', '`code`')).toEqual([
      row('`code`', 'Affects', 'Fatal', '`advice`'),
      ...Object.entries(syncErrors).map(([code, { level, fatal, advice }]) =>
        row(`\`${code}\``, level, fatal ? 'yes' : 'no', advice),
      ),
    ]);
  });

  it('have the timeouts with their defaults', () => {
    const named = tableOf('docs/connection.md', '`timeouts`').slice(1);
    expect(named.map((line) => line.split(' | ').slice(0, 2).join(' | '))).toEqual(
      Object.entries(defaultTimeouts).map(([name, ms]) => `| \`${name}\` | ${spaced(Number(ms))}`),
    );
  });
});

describe('the map of docs/ARCHITECTURE.md', () => {
  const map = textOf('docs/ARCHITECTURE.md');
  const entries = ['lib', 'sim', 'spec'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => ({
      isFolder: entry.isDirectory(),
      name: entry.name,
      path: `${entry.parentPath}/${entry.name}`,
    })),
  );

  it('names only files that exist', () => {
    const named = [...map.matchAll(/`([\w./-]+\.ts)`/g)].map(([, path = '']) => path);
    const known = new Set(entries.map(({ name }) => name));
    const exists = (path: string): boolean =>
      path.includes('/') ? ['', 'lib/'].some((folder) => existsSync(`${folder}${path}`)) : known.has(path);
    expect(named.filter((path) => !exists(path))).toEqual([]);
    expect(named.length).toBeGreaterThan(100);
  });

  it('names every folder of lib', () => {
    const folders = entries.filter(({ isFolder, path }) => isFolder && path.startsWith('lib/'));
    expect(folders.filter(({ name }) => !map.includes(`\`${name}/\``)).map(({ path }) => path)).toEqual([]);
  });
});
