/*
 * Writes the public types of each entry point of the package to docs/api/, without comments: what an app can import, and
 * the types that these refer to. `--check` compares the files with `dist/` and fails when they differ. Needs `dist/`
 * (npm run build).
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { name: packageName, exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const entryPoints = Object.entries(entries)
  .filter(([, entry]) => typeof entry === 'object')
  .map(([path, { types }]) => ({ name: path.replace('.', packageName), file: join(root, types) }));

for (const { file } of entryPoints) {
  if (!existsSync(file)) throw new Error(`${relative(root, file)} does not exist. Run npm run build.`);
}

const program = ts.createProgram(
  entryPoints.map(({ file }) => file),
  {
    ...{ module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
    ...{ target: ts.ScriptTarget.ES2022, strict: true, skipLibCheck: true, noEmit: true, types: ['node'] },
  },
);
const checker = program.getTypeChecker();
const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });
const dist = join(root, 'dist');

const resolveAlias = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);

/** The statements of `dist/` that declare a symbol. Symbols of other packages have none. */
const statementsOf = (symbol) => {
  const statements = (symbol.declarations ?? [])
    .filter((node) => node.getSourceFile().fileName.startsWith(dist))
    .map((node) => {
      let statement = node;
      while (statement.parent && !ts.isSourceFile(statement.parent)) statement = statement.parent;
      return statement;
    })
    .filter((node) => !ts.isSourceFile(node) && !ts.isImportDeclaration(node) && !ts.isExportDeclaration(node));
  return [...new Set(statements)];
};

const textOf = (statement) =>
  printer
    .printNode(ts.EmitHint.Unspecified, statement, statement.getSourceFile())
    .replace(/^export (declare )?|^declare /, '')
    .replace(/import\("\.[^"]*"\)\./g, '');

/** The symbols at the top of files that a statement refers to. */
const referencesOf = (statement) => {
  const found = new Set();
  const visit = (node) => {
    if (ts.isIdentifier(node)) {
      const symbol = checker.getSymbolAtLocation(node);
      if (symbol) found.add(resolveAlias(symbol));
    }
    ts.forEachChild(node, visit);
  };
  visit(statement);
  return [...found].filter((symbol) =>
    (symbol.declarations ?? []).some(
      (node) =>
        ts.isSourceFile(node.parent) || (ts.isVariableDeclaration(node) && ts.isSourceFile(node.parent.parent.parent)),
    ),
  );
};

const byName = ([a], [b]) => (a < b ? -1 : a > b ? 1 : 0);
const uniqueTexts = (pairs) => [...new Set(pairs.sort(byName).flatMap(([, statements]) => statements.map(textOf)))];

const reportOf = ({ name, file }) => {
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const publicSymbols = new Map(exported.map((symbol) => [resolveAlias(symbol), symbol.name]));
  const used = new Map();
  const visited = new Set();
  const follow = (symbol) => {
    if (visited.has(symbol)) return;
    visited.add(symbol);
    const statements = statementsOf(symbol);
    if (statements.length > 0 && !publicSymbols.has(symbol))
      used.set(symbol.name, [...(used.get(symbol.name) ?? []), ...statements]);
    for (const statement of statements) referencesOf(statement).forEach(follow);
  };
  [...publicSymbols.keys()].forEach(follow);
  const declared = uniqueTexts([...publicSymbols].map(([symbol, as]) => [as, statementsOf(symbol)]));
  const elsewhere = [...publicSymbols]
    .filter(([symbol]) => statementsOf(symbol).length === 0)
    .map(([, as]) => as)
    .sort();
  const renamed = [...publicSymbols]
    .filter(([symbol, as]) => symbol.name !== as && statementsOf(symbol).length > 0)
    .map(([symbol, as]) => `${symbol.name} as ${as}`)
    .sort();
  const block = (texts) => `\`\`\`typescript\n${texts.join('\n\n')}\n\`\`\`\n`;
  return [
    `# Public types of \`${name}\`\n`,
    '`npm run api` writes this file. Do not edit it.\n',
    block(declared),
    ...(renamed.length > 0 ? [`Exported under another name: ${renamed.join(', ')}.\n`] : []),
    ...(elsewhere.length > 0 ? [`Exported from other packages: ${elsewhere.join(', ')}.\n`] : []),
    ...(used.size > 0
      ? ['## Types that these refer to, and that no app can import here\n', block(uniqueTexts([...used]))]
      : []),
  ].join('\n');
};

const isCheck = process.argv.includes('--check');
const folder = join(root, 'docs', 'api');
mkdirSync(folder, { recursive: true });
const changed = entryPoints.filter((entry) => {
  const path = join(folder, `${entry.name.replaceAll('/', '-')}.md`);
  const report = reportOf(entry);
  if (existsSync(path) && readFileSync(path, 'utf8') === report) return false;
  if (!isCheck) writeFileSync(path, report);
  return true;
});
const names = changed.map(({ name }) => name).join(', ');
if (changed.length === 0)
  console.log(`The public types of ${entryPoints.length} entry points are as docs/api/ has them.`);
else if (!isCheck)
  console.log(`Wrote docs/api/ for ${names}. Commit it with the change, and list the change in CHANGELOG.md.`);
else {
  console.error(
    `The public types of ${names} differ from docs/api/. If you did not mean to change them, undo the change. ` +
      'Otherwise run `npm run api`, read the difference, commit it, and list the change in CHANGELOG.md.',
  );
  process.exitCode = 1;
}
