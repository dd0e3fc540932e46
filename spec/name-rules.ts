import ts from 'typescript';
import { checkEach, type Rule } from './architecture-rules.js';
import { locationOf, type Source } from './parsed-source.js';

/** Metaphors that docs/GLOSSARY.md replaces. They are banned in names of files and of top-level declarations. */
export const bannedNameWords: readonly string[] = [
  ...['desk', 'door', 'doorman', 'mouth', 'ear', 'guest', 'staff', 'sheet', 'lane', 'weather', 'talk', 'judge'],
  ...[
    'upkeep',
    'sighting',
    'sightings',
    'horizon',
    'nudge',
    'nudges',
    'redial',
    'visit',
    'torn',
    'alone',
    'told',
    'said',
  ],
  ...['heard', 'mortal', 'paced', 'probation', 'tally', 'intake', 'whereabouts'],
];

const wordsOf = (name: string): readonly string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.toLowerCase());

const bannedIn = (name: string): string | undefined => wordsOf(name).find((word) => bannedNameWords.includes(word));

const baseNameOf = (path: string): string => (path.split('/').at(-1) ?? '').replace(/(\.system)?\.spec\.ts$|\.ts$/, '');

/** Checks file names: kebab-case, without a metaphor. */
export const checkFileNames: Rule = checkEach(({ path }) => {
  const name = baseNameOf(path);
  const banned = bannedIn(name);
  return [
    ...(/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) ? [] : [`${path} is not in kebab-case`]),
    ...(banned === undefined ? [] : [`${path} is called "${banned}"`]),
  ];
});

interface Declared {
  readonly name: string;
  readonly node: ts.Node;
  readonly isType: boolean;
  readonly isExported: boolean;
}

const declarationsOf = ({ tree }: Source): readonly Declared[] =>
  tree.statements.flatMap((statement): readonly Declared[] => {
    const isExported =
      ts.canHaveModifiers(statement) &&
      (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.flatMap(({ name }) =>
        ts.isIdentifier(name) ? [{ name: name.text, node: name, isType: false, isExported }] : [],
      );
    if (
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement) ||
      ts.isClassDeclaration(statement)
    )
      return statement.name ? [{ name: statement.name.text, node: statement.name, isType: true, isExported }] : [];
    return [];
  });

/** Checks that names of top-level declarations have no metaphor. */
export const checkDeclaredNames: Rule = checkEach((source) =>
  declarationsOf(source).flatMap(({ name, node }) => {
    const banned = bannedIn(name);
    return banned === undefined
      ? []
      : [`${locationOf(source, node)} declares ${name}, which has "${banned}" in its name`];
  }),
);

const repeated = (all: readonly (readonly [name: string, where: string])[]): readonly string[] => {
  const places = new Map<string, string[]>();
  for (const [name, where] of all) places.set(name, [...(places.get(name) ?? []), where]);
  return [...places].filter(([, where]) => where.length > 1).map(([name, where]) => `${name}: ${where.join(', ')}`);
};

/** Checks that file names are unique. An `index.ts` is an entry point, and may occur more than once. */
export const checkUniqueFileNames: Rule = (sources) =>
  repeated(sources.map(({ path }) => [baseNameOf(path), path] as const).filter(([name]) => name !== 'index'));

/** Checks that names of exported types are unique, so that a search finds one declaration. */
export const checkUniqueTypes: Rule = (sources) =>
  repeated(
    sources.flatMap((source) =>
      declarationsOf(source)
        .filter(({ isType, isExported }) => isType && isExported)
        .map(({ name, node }) => [name, locationOf(source, node)] as const),
    ),
  );
