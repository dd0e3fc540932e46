import ts from 'typescript';
import { checkEach, type Rule } from './architecture-rules.js';
import { locationOf, nodesOf, type Source } from './parsed-source.js';

/**
 * Metaphors that docs/GLOSSARY.md replaces. They are banned in names of files, declarations, members and parameters.
 */
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

/** Words that are too common to ban everywhere, but that say too little as a member or a parameter. */
const bannedMemberWords = ['refused', 'refusal', 'refusals', 'asked', 'unasked', 'seen', 'stands', 'standing'];

const wordsOf = (name: string): readonly string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.toLowerCase());

const bannedIn = (name: string): string | undefined => wordsOf(name).find((word) => bannedNameWords.includes(word));

const baseNameOf = (path: string): string =>
  (path.split('/').at(-1) ?? '').replace(/(\.system)?\.spec\.ts$|\.[jt]s$/, '');

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

const isExportedStatement = (statement: ts.Statement): boolean =>
  ts.canHaveModifiers(statement) &&
  (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);

const declarationsOf = ({ tree }: Source): readonly Declared[] =>
  tree.statements.flatMap((statement): readonly Declared[] => {
    const isExported = isExportedStatement(statement);
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

/** Finds the names of members and parameters in the type of an exported declaration, not in the bodies of functions. */
const memberNamesOf = (node: ts.Node): readonly ts.Identifier[] => {
  const found: ts.Identifier[] = [];
  const visit = (each: ts.Node): void => {
    if (ts.isBlock(each)) return;
    const isMember =
      ts.isPropertySignature(each) ||
      ts.isMethodSignature(each) ||
      ts.isPropertyDeclaration(each) ||
      ts.isMethodDeclaration(each) ||
      ts.isParameter(each) ||
      ts.isNamedTupleMember(each);
    if (isMember && ts.isIdentifier(each.name)) found.push(each.name);
    ts.forEachChild(each, visit);
  };
  visit(node);
  return found;
};

/** Checks the names of members and parameters of exported declarations. */
export const checkMemberNames: Rule = checkEach((source) =>
  source.tree.statements
    .filter(isExportedStatement)
    .flatMap(memberNamesOf)
    .flatMap((name) => {
      const banned = bannedIn(name.text) ?? wordsOf(name.text).find((word) => bannedMemberWords.includes(word));
      return banned === undefined
        ? []
        : [`${locationOf(source, name)} has ${name.text}, which has "${banned}" in its name`];
    }),
);

/** Words that end like a participle, and are verbs or nouns. */
const notParticiples = ['embed', 'exceed', 'feed', 'need', 'proceed', 'seed', 'speed', 'succeed'];

const irregularParticiples = [
  ...['begun', 'bound', 'drawn', 'driven', 'given', 'gone', 'heard', 'held', 'kept', 'known', 'left', 'lost', 'made'],
  ...['said', 'seen', 'sent', 'shown', 'taken', 'told', 'torn', 'worn', 'written'],
];

const isParticiple = (name: string): boolean =>
  irregularParticiples.includes(name) || (/^[a-z]+ed$/.test(name) && !notParticiples.includes(name));

const isFunction = (node: ts.Node | undefined): boolean =>
  node !== undefined && (ts.isArrowFunction(node) || ts.isFunctionExpression(node));

/**
 * Checks that no function has a participle as its name. A participle names a boolean or an event, so a function that a
 * file passes on as a property, such as `{ failed }`, may have one.
 */
export const checkFunctionNames: Rule = checkEach((source) => {
  const nodes = nodesOf(source.tree);
  const callbacks = new Set(nodes.filter(ts.isShorthandPropertyAssignment).map(({ name }) => name.text));
  return nodes.flatMap((node) => {
    const isDeclared =
      (ts.isVariableDeclaration(node) && isFunction(node.initializer)) || ts.isFunctionDeclaration(node);
    if (!isDeclared || node.name === undefined || !ts.isIdentifier(node.name)) return [];
    const name = node.name.text;
    if (!isParticiple(name) || callbacks.has(name)) return [];
    return [`${locationOf(source, node)} has a function ${name}, whose name needs a verb`];
  });
});

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
