import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkComments, checkDocument, checkErrorTexts, checkTitles } from './prose-rules.js';
import { readSources, sourceOf } from './parsed-source.js';

const root = process.cwd();

/** Folders whose comments and error texts are in plain English. */
const folders: readonly string[] = [
  'angular/lib/',
  'angular/spec/',
  'bench/',
  'demo/',
  'fuzz/',
  'lib/backup/',
  'lib/cli/',
  'lib/client/',
  'lib/clock.ts',
  'lib/index.ts',
  'lib/inspector/',
  'lib/log/',
  'lib/merge/',
  'lib/model/',
  'lib/protocol/',
  'lib/server/',
  'lib/session/',
  'lib/storage/',
  'lib/store/',
  'lib/testing/',
  'lib/transport/',
  'recipes/',
  'sim/',
  'site/',
  'spec/',
];

/** Documents that are in plain English. */
const documents: readonly string[] = [
  'CHANGELOG.md',
  'CODE_OF_CONDUCT.md',
  'CONTRIBUTING.md',
  'README.md',
  'SECURITY.md',
  'docs/ARCHITECTURE.md',
  'docs/BENCHMARKS.md',
  'docs/DECISIONS.md',
  'docs/GLOSSARY.md',
  'docs/PROTOCOL.md',
  'docs/angular.md',
  'docs/behaviours.md',
  'docs/coming-from-realm.md',
  'docs/connection.md',
  'docs/data.md',
  'docs/errors.md',
  'docs/hosting.md',
  'docs/inspector.md',
  'docs/offline.md',
  'docs/progress.md',
  'docs/recipes.md',
  'docs/releasing.md',
  'docs/scale.md',
  'docs/security.md',
  'docs/storage.md',
  'docs/subscriptions.md',
  'docs/sync-state.md',
  'docs/tabs.md',
  'docs/testing.md',
  'docs/tokens.md',
  'docs/tools.md',
  'docs/waiting.md',
  'site/README.md',
];

const only = process.env['PROSE']?.split(',');
const angular = readSources(join(root, 'angular'), 'lib', 'spec').map((source) => ({
  ...source,
  path: `angular/${source.path}`,
}));
const frameworks = ['react', 'vue', 'svelte', 'solid', 'ngrx', 'capacitor'];
const recipes = readSources(join(root, 'recipes'), ...frameworks, 'spec').map((source) => ({
  ...source,
  path: `recipes/${source.path}`,
}));
const site = readSources(join(root, 'site'), 'build', 'playground', '.vitepress/theme').map((source) => ({
  ...source,
  path: `site/${source.path}`,
}));
const written = readSources(root, 'lib', 'sim', 'bench', 'fuzz', 'demo', 'spec');
const sources = [...written, ...angular, ...recipes, ...site].filter(({ path }) =>
  (only ?? folders).some((folder) => path.startsWith(folder)),
);

describe('prose', () => {
  it('of comments is plain English', () => {
    expect(sources.flatMap(checkComments)).toEqual([]);
  });

  it('of error messages is plain English', () => {
    expect(sources.flatMap(checkErrorTexts)).toEqual([]);
  });

  it('of titles of specs is plain English', () => {
    expect(sources.flatMap(checkTitles)).toEqual([]);
  });

  it('of documents is plain English', () => {
    const paths = only?.filter((path) => path.endsWith('.md')) ?? documents;
    expect(paths.flatMap((path) => checkDocument(path, readFileSync(join(root, path), 'utf8')))).toEqual([]);
  });
});

describe('the rules for prose', () => {
  it('see a banned word in a comment, but not in code', () => {
    const source = sourceOf('lib/a/b.ts', '/** Returns what nobody has. */\nconst a = 1; // `nobody` is "told"\n');
    expect(checkComments(source)).toEqual([
      'lib/a/b.ts:1 says "nobody": the actor: app, client, server, replica, user',
    ]);
  });

  it('see a summary that opens with a question word, or is long', () => {
    const long = Array.from({ length: 40 }, () => 'word').join(' ');
    const source = sourceOf('lib/a/b.ts', `/** What it is. */\nconst a = 1;\n/**\n * ${long}.\n */\nconst b = 2;\n`);
    expect(checkComments(source)).toEqual([
      'lib/a/b.ts:4 is wider than 120 columns',
      'lib/a/b.ts:1 opens with "What": begin with a verb or a noun',
      'lib/a/b.ts:3 has a first sentence of 40 words: at most 28',
    ]);
  });

  it('see a banned word in the title of a spec, and a title that opens with a question word', () => {
    const titles = `describe('a door', () => {\n  it.each([1])('S1 what is sent', () => undefined);\n});\n`;
    expect(checkTitles(sourceOf('spec/a.spec.ts', titles))).toEqual([
      'spec/a.spec.ts:1 says "door": the term of the glossary',
      'spec/a.spec.ts:2 opens with "what": begin with a verb or a noun',
    ]);
  });

  it('see a banned word in the text of an error, and in a document', () => {
    const source = sourceOf('lib/a/b.ts', "throw new StorageError(`what ${name} was told makes it torn`, 'code');\n");
    expect(checkErrorTexts(source)).toHaveLength(2);
    expect(checkDocument('docs/a.md', 'The server tells it.\n```ts\n// tells\n```\n')).toEqual([
      'docs/a.md:1 says "tells": notify, send, receive, log, report',
    ]);
  });
});
