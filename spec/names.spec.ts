import { readdirSync, readFileSync } from 'node:fs';
import {
  checkDeclaredNames,
  checkFileNames,
  checkFunctionNames,
  checkMemberNames,
  checkUniqueFileNames,
  checkUniqueTypes,
} from './name-rules.js';
import { readSources, sourceOf } from './parsed-source.js';

const root = process.cwd();
const lib = readSources(root, 'lib');
const scripts = readdirSync('scripts')
  .filter((name) => name.endsWith('.js'))
  .map((name) => sourceOf(`scripts/${name}`, readFileSync(`scripts/${name}`, 'utf8')));
const tools = [...readSources(root, 'sim', 'bench', 'fuzz', 'demo'), ...scripts];
const all = [...lib, ...tools, ...readSources(root, 'spec')];

describe('names', () => {
  it('of files are in kebab-case, without a metaphor', () => {
    expect(checkFileNames(all)).toEqual([]);
  });

  it('of files of the library are unique', () => {
    // A file for browsers has the name of the file that it replaces: `imports` in package.json chooses.
    expect(checkUniqueFileNames(lib.filter(({ path }) => !path.startsWith('lib/server/browser/')))).toEqual([]);
  });

  it('of exported types of the library are unique', () => {
    expect(checkUniqueTypes(lib)).toEqual([]);
  });

  it('of what files declare have no metaphor', () => {
    expect(checkDeclaredNames(all)).toEqual([]);
  });

  it('of functions have a verb instead of a participle', () => {
    expect(checkFunctionNames([...lib, ...tools])).toEqual([]);
  });

  it('of members and parameters of exported declarations have no metaphor', () => {
    expect(checkMemberNames(all)).toEqual([]);
  });
});

describe('the rules for names', () => {
  const first = sourceOf(
    'lib/a/frontDesk.ts',
    'export interface Lane {}\nconst toldTwice = 1;\nexport type Size = number;\n',
  );
  const second = sourceOf('lib/b/frontDesk.ts', 'export class Lane {}\ninterface Size {}\nconst plane = 1;\n');

  it('see a file that is named otherwise', () => {
    expect(checkFileNames([first])).toEqual([
      'lib/a/frontDesk.ts is not in kebab-case',
      'lib/a/frontDesk.ts is called "desk"',
    ]);
  });

  it('see two files of one name, and two exported types of one name', () => {
    expect(checkUniqueFileNames([first, second])).toEqual(['frontDesk: lib/a/frontDesk.ts, lib/b/frontDesk.ts']);
    expect(checkUniqueTypes([first, second])).toEqual(['Lane: lib/a/frontDesk.ts:1, lib/b/frontDesk.ts:1']);
  });

  it('see a metaphor as a word of a name, not as a part of one', () => {
    expect(checkDeclaredNames([first, second]).map((each) => each.replace(/, which.*/, ''))).toEqual([
      'lib/a/frontDesk.ts:1 declares Lane',
      'lib/a/frontDesk.ts:2 declares toldTwice',
      'lib/b/frontDesk.ts:1 declares Lane',
    ]);
  });

  it('see a function whose name is a participle, at any depth', () => {
    const text = 'const opened = 1;\nconst open = () => {\n  const closed = () => 1;\n  function sent() {}\n};\n';
    expect(checkFunctionNames([sourceOf('lib/a/a.ts', text)])).toEqual([
      'lib/a/a.ts:3 has a function closed, whose name needs a verb',
      'lib/a/a.ts:4 has a function sent, whose name needs a verb',
    ]);
  });

  it('see a metaphor in a member or a parameter of what is exported, not inside of functions', () => {
    const text =
      'export interface A {\n  readonly laneMax: number;\n  readonly b: { refused(why: string): void };\n}\n' +
      'interface B {\n  lane: 1;\n}\nexport const f = (seen: number) => {\n  const g = (lane: number) => lane;\n};\n';
    expect(checkMemberNames([sourceOf('lib/a/a.ts', text)]).map((each) => each.replace(/, which.*/, ''))).toEqual([
      'lib/a/a.ts:2 has laneMax',
      'lib/a/a.ts:3 has refused',
      'lib/a/a.ts:8 has seen',
    ]);
  });
});
