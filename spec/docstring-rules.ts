import ts from 'typescript';

/** Findings, each with its place and its fault. */
type Findings = readonly string[];

interface Docstring {
  readonly summary: string;
  readonly tags: readonly { readonly name: string; readonly text: string }[];
}

const docstringOf = (symbol: ts.Symbol, checker: ts.TypeChecker): Docstring => ({
  summary: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
  tags: symbol.getJsDocTags(checker).map(({ name, text }) => ({ name, text: ts.displayPartsToString(text) })),
});

const isStream = (type: ts.Type): boolean => type.getSymbol()?.name === 'Observable';

/** The facts that the docstring of a stream has, in this order. */
const streamFacts: readonly (readonly [fact: string, pattern: RegExp])[] = [
  ['whether it is hot or cold', /\b(hot|cold)\b/i],
  ['when it emits', /\bemit/i],
  ['when it completes', /complete/i],
  ['when it errors', /error/i],
];

const checkStream = ({ summary }: Docstring): Findings =>
  streamFacts.filter(([, pattern]) => !pattern.test(summary)).map(([fact]) => `does not say ${fact}`);

const checkFunction = (signature: ts.Signature, doc: Docstring, hasExample: boolean): Findings => {
  const named = doc.tags.filter(({ name }) => name === 'param').map(({ text }) => text.split(/\s/)[0]);
  const result = signature.getReturnType();
  const lacks = (tag: string): boolean => !doc.tags.some(({ name }) => name === tag);
  return [
    ...signature.parameters
      // The compiler gives a destructured parameter a name that begins with `__`.
      .filter(({ name }) => !name.startsWith('__') && !named.includes(name))
      .map(({ name }) => `has no @param ${name}`),
    ...((result.flags & ts.TypeFlags.VoidLike) === 0 && lacks('returns') ? ['has no @returns'] : []),
    ...(hasExample && lacks('example') ? ['has no @example'] : []),
    ...(isStream(result) ? checkStream(doc) : []),
  ];
};

const checkValue = (type: ts.Type, doc: Docstring, hasExample: boolean): Findings => {
  if (doc.summary === '') return ['has no docstring'];
  const signature = type.getCallSignatures().at(-1);
  if (signature !== undefined) return checkFunction(signature, doc, hasExample);
  return isStream(type) ? checkStream(doc) : [];
};

const isOfLibrary = (symbol: ts.Symbol): boolean =>
  (symbol.declarations ?? []).some((declaration) => declaration.getSourceFile().fileName.includes('/lib/'));

const checkMembers = (symbol: ts.Symbol, checker: ts.TypeChecker): Findings =>
  [...(symbol.members?.values() ?? [])]
    .filter((member) => (member.flags & (ts.SymbolFlags.Property | ts.SymbolFlags.Method)) !== 0 && isOfLibrary(member))
    .flatMap((member) =>
      checkValue(checker.getTypeOfSymbol(member), docstringOf(member, checker), false).map(
        (fault) => `${symbol.name}.${member.name} ${fault}`,
      ),
    );

const checkExport = (symbol: ts.Symbol, checker: ts.TypeChecker): Findings => {
  const doc = docstringOf(symbol, checker);
  const isFunction = (symbol.flags & ts.SymbolFlags.Value) !== 0 && (symbol.flags & ts.SymbolFlags.Class) === 0;
  const faults = isFunction
    ? checkValue(checker.getTypeOfSymbol(symbol), doc, true)
    : doc.summary === ''
      ? ['has no docstring']
      : [];
  const hasMembers = (symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.Class)) !== 0;
  return [...faults.map((fault) => `${symbol.name} ${fault}`), ...(hasMembers ? checkMembers(symbol, checker) : [])];
};

/** Checks the docstrings of all exports of an entry point, and of the members of exported interfaces and classes. */
export const checkDocstrings = (program: ts.Program, entryPoint: string): Findings => {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entryPoint);
  const entry = source && checker.getSymbolAtLocation(source);
  if (entry === undefined) throw new Error(`${entryPoint} is not a module.`);
  return checker
    .getExportsOfModule(entry)
    .map((symbol) => ((symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)))
    .filter(isOfLibrary)
    .flatMap((symbol) => checkExport(symbol, checker));
};
