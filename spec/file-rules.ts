import ts from 'typescript';
import { checkEach, type Rule } from './architecture-rules.js';
import { locationOf, importsOf, nodesOf, type Source } from './parsed-source.js';

/**
 * Checks the lines of code of a file and its lines in all. Comments have examples and are wrapped, so they have a limit
 * of their own.
 */
export const checkLength = (codeLinesMax: number, linesMax: number): Rule =>
  checkEach(({ path, text }) => {
    const lines = text.replace(/\n$/, '').split('\n');
    const code = lines.filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line));
    if (code.length > codeLinesMax) return [`${path}:${code.length} has more than ${codeLinesMax} lines of code`];
    return lines.length > linesMax ? [`${path}:${lines.length} has more than ${linesMax} lines`] : [];
  });

/** Checks named exports: a default export has no name to search for, and `export *` has no list to read. */
export const checkNamedExports: Rule = checkEach((source) =>
  nodesOf(source.tree).flatMap((node) => {
    if (ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword) {
      return [`${locationOf(source, node)} exports a default`];
    }
    if (!ts.isExportDeclaration(node)) return [];
    if (!node.exportClause || ts.isNamespaceExport(node.exportClause)) return [`${locationOf(source, node)} exports *`];
    return nodesOf(node).some((name) => ts.isIdentifier(name) && name.text === 'default')
      ? [`${locationOf(source, node)} exports a default`]
      : [];
  }),
);

/** Checks re-exports: only entry points have them. The owner of a package may re-export from the package. */
export const checkNoBarrel = (entryPoints: readonly string[]): Rule =>
  checkEach((source) => {
    if (entryPoints.includes(source.path)) return [];
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
      (node) => `${locationOf(source, node)} exports what another file made`,
    );
  });

const findLines = ({ path, text }: Source, pattern: RegExp, complaint: string): readonly string[] =>
  text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${complaint}`] : []));

/** Checks that a disabled lint rule has a reason after two dashes. */
export const checkDisableReasons: Rule = checkEach((source) =>
  findLines(source, /\/[/*] *eslint-disable(?!.* -- \w)/, 'turns the linter off without saying why'),
);

const skippedTestPattern =
  /\b(?:(?:it|test|describe)(?:\.\w+)*\.(?:skip|only|todo|failing)|xit|xtest|xdescribe|fit|fdescribe)\b/;

/** Checks that every spec runs, together with all others. */
export const checkNoSkippedTests: Rule = checkEach((source) =>
  nodesOf(source.tree)
    .filter(ts.isCallExpression)
    .filter(({ expression }) => skippedTestPattern.test(expression.getText()) && !ts.isCallExpression(expression))
    .map((call) => `${locationOf(source, call)} leaves specs out`),
);
