import ts from 'typescript';
import { each, type Rule } from './rules.js';
import { at, importsOf, nodesOf, type Source } from './source.js';

export const isShort = (linesMax: number): Rule =>
  each(({ path, text }) => {
    const lines = text.replace(/\n$/, '').split('\n').length;
    return lines > linesMax ? [`${path}:${lines} has more than ${linesMax} lines`] : [];
  });

/** A default export has no name that could be searched for, and `export *` no list that could be read. */
export const exportsByName: Rule = each((source) =>
  nodesOf(source.tree).flatMap((node) => {
    if (ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword) {
      return [`${at(source, node)} exports a default`];
    }
    if (!ts.isExportDeclaration(node)) return [];
    if (!node.exportClause || ts.isNamespaceExport(node.exportClause)) return [`${at(source, node)} exports *`];
    return nodesOf(node).some((name) => ts.isIdentifier(name) && name.text === 'default')
      ? [`${at(source, node)} exports a default`]
      : [];
  }),
);

/** Only doors show what other files made. A package's owner may show what is in the package. */
export const isNoBarrel = (doors: readonly string[]): Rule =>
  each((source) => {
    if (doors.includes(source.path)) return [];
    const imports = importsOf(source);
    const fromFiles = imports.filter(({ reExport, target }) => reExport && target !== null);
    const local = new Set(
      nodesOf(source.tree)
        .filter(ts.isImportSpecifier)
        .map(({ name }) => name.text),
    );
    const handedOn = nodesOf(source.tree)
      .filter(ts.isExportDeclaration)
      .filter(
        (node) => !node.moduleSpecifier && nodesOf(node).some((name) => ts.isIdentifier(name) && local.has(name.text)),
      );
    return [...fromFiles.map(({ node }) => node), ...handedOn].map(
      (node) => `${at(source, node)} exports what another file made`,
    );
  });

const linesWith = ({ path, text }: Source, pattern: RegExp, complaint: string): readonly string[] =>
  text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${complaint}`] : []));

/** The linter is contradicted with a reason, after the two dashes that it has for it. */
export const contradictsWithReason: Rule = each((source) =>
  linesWith(source, /\/[/*] *eslint-disable(?!.* -- \w)/, 'turns the linter off without saying why'),
);

const untried = /\b(?:(?:it|test|describe)(?:\.\w+)*\.(?:skip|only|todo|failing)|xit|xtest|xdescribe|fit|fdescribe)\b/;

/** A spec runs, and beside all others. */
export const isTried: Rule = each((source) =>
  nodesOf(source.tree)
    .filter(ts.isCallExpression)
    .filter(({ expression }) => untried.test(expression.getText()) && !ts.isCallExpression(expression))
    .map((call) => `${at(source, call)} leaves specs out`),
);
