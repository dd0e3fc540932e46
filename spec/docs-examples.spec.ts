import { readdirSync, readFileSync } from 'node:fs';
import { compileErrorsOf, parseExamples, parseSketches } from './example-compiler.js';

const root = process.cwd();
const pages = [
  'README.md',
  ...readdirSync('docs')
    // Angular has packages of its own: angular/spec/guide.spec.ts compiles and runs its guide.
    .filter((name) => name.endsWith('.md') && name !== 'angular.md')
    .map((name) => `docs/${name}`),
];
const examplesOf = (page: string) => parseExamples(page, readFileSync(page, 'utf8'));

const sample = (...lines: readonly string[]) => parseExamples('page.md', lines.join('\n'));

describe('the examples of the documentation', () => {
  it('compile unchanged, with the options of the library', () => {
    expect(compileErrorsOf(root, pages.flatMap(examplesOf))).toEqual([]);
  }, 60_000);

  it('compile if they are sketches that begin with an import', () => {
    const sketches = pages.flatMap((page) => parseSketches(page, readFileSync(page, 'utf8')));
    expect(sketches.map(({ page }) => page)).toEqual(['docs/hosting.md', 'docs/inspector.md', 'docs/tools.md']);
    expect(compileErrorsOf(root, sketches)).toEqual([]);
  }, 60_000);

  it('exist in the README', () => {
    expect(examplesOf('README.md').length).toBeGreaterThan(0);
  });
});

describe('the compiler of examples', () => {
  it('finds an error at its line in the page', () => {
    const examples = sample(
      'Text.',
      '```ts',
      "import { of } from 'rxjs';",
      "const words: string[] = ['a'];",
      'const first: string = words[0];',
      '```',
      'One more:',
      '```ts continued',
      'of(1).pip();',
      'await Promise.resolve(first);',
      '```',
      '```ts',
      'first;',
      "import { marbles } from 'tidemark/testing';",
      'marbles(5);',
      '```',
    );
    expect(compileErrorsOf(root, examples)).toEqual([
      expect.stringMatching(/^page.md:5 Type 'string \| undefined' is not assignable/),
      expect.stringMatching(/^page.md:9 Property 'pip' does not exist/),
      expect.stringMatching(/^page.md:13 Cannot find name 'first'/),
      expect.stringMatching(/^page.md:15 Argument of type 'number' is not assignable/),
    ]);
  }, 60_000);

  it('finds an error in a sketch at its line in the page', () => {
    const lines = ['Text.', '```ts sketch', "import { of } from 'rxjs';", 'of(1).pip();', '```'];
    const sketches = parseSketches('page.md', lines.join('\n'));
    expect(compileErrorsOf(root, sketches)).toEqual([
      expect.stringMatching(/^page.md:4 Property 'pip' does not exist/),
    ]);
  }, 60_000);

  it('ignores sketches, other languages and fences inside them', () => {
    expect(sample('```ts sketch', 'nonsense', '```', '```sh', '```ts is only text here', '```', 'x')).toEqual([]);
  });

  it.each([
    [['```ts with realm', '```'], 'page.md:1 has an unknown mark: with realm'],
    [['```ts later', '```'], 'page.md:1 has an unknown mark: later'],
    [['', '```ts continued', '```'], 'page.md:2 continues nothing'],
    [['```typescript', '```'], 'page.md:1 says typescript where the others say ts'],
    [['```ts', 'a'], 'page.md:1 is never closed'],
  ])('rejects %j', (lines, why) => {
    expect(() => sample(...lines)).toThrow(why);
  });
});
