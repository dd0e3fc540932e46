import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** One file of the project: its path from the root with forward slashes, and its parsed text. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
}

export const sourceOf = (path: string, text: string): Source => ({
  path,
  text,
  tree: ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true),
});

/** Reads every TypeScript file under some folders of the project. A folder that does not exist is empty. */
export const readSources = (root: string, ...folders: readonly string[]): readonly Source[] =>
  folders.flatMap((folder) =>
    readdirSync(root, { withFileTypes: true }).some(({ name }) => name === folder)
      ? readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
          .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
          .sort()
          .map((path) => sourceOf(path, readFileSync(join(root, path), 'utf8')))
      : [],
  );

/** Returns a node and all nodes below it. */
export const nodesOf = (node: ts.Node): readonly ts.Node[] => {
  const found: ts.Node[] = [];
  const visit = (each: ts.Node): void => {
    found.push(each);
    ts.forEachChild(each, visit);
  };
  visit(node);
  return found;
};

export const lineOf = ({ tree }: Source, node: ts.Node): number =>
  tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;

export const locationOf = (source: Source, node: ts.Node): string => `${source.path}:${lineOf(source, node)}`;

/** One import of a file: by `import`, `export … from`, `import()` or a type's `import('…')`. */
export interface Import {
  readonly node: ts.Node;
  /** The specifier as written. */
  readonly specifier: string;
  /** The path of the imported file; `null` for a package. */
  readonly target: string | null;
  readonly names: readonly string[];
  readonly typesOnly: boolean;
  readonly dynamic: boolean;
  readonly reExport: boolean;
}

const targetOf = (path: string, specifier: string): string | null => {
  if (!specifier.startsWith('.')) return null;
  const parts = path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/').replace(/\.js$/, '.ts');
};

const namesOf = (clause: ts.ImportClause | undefined): { names: string[]; typesOnly: boolean } => {
  if (!clause) return { names: [], typesOnly: false };
  const { namedBindings } = clause;
  const elements = namedBindings && ts.isNamedImports(namedBindings) ? namedBindings.elements : [];
  const values = elements
    .filter((element) => !element.isTypeOnly)
    .map(({ name, propertyName }) => (propertyName ?? name).text);
  if (namedBindings && ts.isNamespaceImport(namedBindings)) values.push('*');
  if (clause.name) values.push('default');
  const typesOnly = clause.phaseModifier === ts.SyntaxKind.TypeKeyword || (elements.length > 0 && values.length === 0);
  return { names: typesOnly ? [] : values, typesOnly };
};

const importOf = (node: ts.Node): Omit<Import, 'target'> | null => {
  const plain = { node, names: [], typesOnly: false, dynamic: false, reExport: false };
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    return { ...plain, specifier: node.moduleSpecifier.text, ...namesOf(node.importClause) };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
    const elements = node.exportClause && ts.isNamedExports(node.exportClause) ? node.exportClause.elements : [];
    const names = elements
      .filter((element) => !element.isTypeOnly)
      .map(({ name, propertyName }) => (propertyName ?? name).text);
    const typesOnly = node.isTypeOnly || (elements.length > 0 && names.length === 0);
    return { ...plain, specifier: node.moduleSpecifier.text, names, typesOnly, reExport: true };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
    return { ...plain, specifier: node.argument.literal.text, typesOnly: true };
  }
  if (!ts.isCallExpression(node)) return null;
  const [argument] = node.arguments;
  const asks =
    node.expression.kind === ts.SyntaxKind.ImportKeyword ||
    ['require', 'importAtRunTime'].includes(node.expression.getText());
  if (!asks || !argument) return null;
  return {
    ...plain,
    specifier: ts.isStringLiteralLike(argument) ? argument.text : argument.getText(),
    names: ['*'],
    dynamic: true,
  };
};

export const importsOf = ({ path, tree }: Source): readonly Import[] =>
  nodesOf(tree)
    .map(importOf)
    .filter((found) => found !== null)
    .map((found) => ({ ...found, target: targetOf(path, found.specifier) }));

/** Returns the name of the top-level declaration that contains a node. */
export const ownerOf = (node: ts.Node): string => {
  let top = node;
  while (!ts.isSourceFile(top.parent)) top = top.parent;
  if (ts.isVariableStatement(top)) {
    const declaration = top.declarationList.declarations.find((each) => each.pos <= node.pos && node.end <= each.end);
    return declaration?.name.getText() ?? 'the file';
  }
  if (ts.isFunctionDeclaration(top) || ts.isClassDeclaration(top)) return top.name?.text ?? 'the file';
  return ts.isInterfaceDeclaration(top) || ts.isTypeAliasDeclaration(top) ? top.name.text : 'the file';
};
