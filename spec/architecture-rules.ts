import ts from 'typescript';
import { locationOf, importsOf, nodesOf, ownerOf, type Source } from './parsed-source.js';

/** Checks files and returns a line for each violation, beginning with its place. */
export type Rule = (sources: readonly Source[]) => readonly string[];

/** Creates a rule that checks each file by itself. */
export const checkEach =
  (checkSource: (source: Source) => readonly string[]): Rule =>
  (sources) =>
    sources.flatMap(checkSource);

const isBelow = (path: string, folder: string): boolean =>
  path === folder || (folder.endsWith('/') && path.startsWith(folder));

/** Imports that a room may have besides its own files. `types`: only with `import type`. */
export interface Room {
  readonly values: readonly string[];
  readonly types?: readonly string[];
}

/** The file `lib/session/mux.ts` is in the room `lib/session/`. A file directly in `lib` is a room of its own. */
const roomOf = (path: string): string =>
  path.split('/').slice(0, 2).join('/') + (path.split('/').length > 2 ? '/' : '');

/**
 * Checks imports between rooms. `exempt` lists values that a room may import from a room of which it may import only
 * types.
 */
export const checkRooms = (
  rooms: Readonly<Record<string, Room>>,
  entryPoints: readonly string[],
  exempt: readonly { readonly file: string; readonly names: readonly string[] }[] = [],
): Rule =>
  checkEach((source) => {
    const importer = roomOf(source.path);
    const room = rooms[importer];
    if (!room) return [`${source.path}:1 is in no room of the table`];
    return importsOf(source)
      .map(({ node, target, typesOnly, names }) => {
        if (target === null) return null;
        const among = (folders: readonly string[]): boolean => folders.some((folder) => isBelow(target, folder));
        const isEntryPoint = entryPoints.includes(target) && !room.values.includes(target);
        const isFreed =
          names.length > 0 &&
          exempt.some((one) => one.file === target && names.every((name) => one.names.includes(name)));
        if (roomOf(target) === importer ? !entryPoints.includes(target) : among(room.values) && !isEntryPoint)
          return null;
        if (among(room.types ?? []))
          return typesOnly || isFreed ? null : `${locationOf(source, node)} may import only types of ${target}`;
        return `${locationOf(source, node)} may not import ${target}`;
      })
      .filter((found) => found !== null);
  });

/** Types count: two files that need each other's types should be one file, or a third is missing. */
export const checkNoCycles: Rule = (sources) => {
  const graph = new Map(
    sources.map((source) => [source.path, [...new Set(importsOf(source).flatMap(({ target }) => target ?? []))]]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, above: readonly string[]): void => {
    if (above.includes(path))
      found.push(`${path}:1 imports itself: ${[...above.slice(above.indexOf(path)), path].join(' → ')}`);
    if (done.has(path) || above.includes(path)) return;
    (graph.get(path) ?? []).forEach((next) => visit(next, [...above, path]));
    done.add(path);
  };
  sources.forEach(({ path }) => visit(path, []));
  return found;
};

/** A file and the declaration in it that is allowed, by name, or everything. */
export interface Allowed {
  /** A file, a file and a declaration in it (`lib/a.ts b`), or a folder that ends in a slash. */
  readonly where: string;
  readonly why: string;
}

const isAllowed = (allowed: readonly Allowed[], source: Source, node: ts.Node): boolean =>
  allowed.some(({ where }) => isBelow(source.path, where) || where === `${source.path} ${ownerOf(node)}`);

const checkOnlyIn = (allowed: readonly Allowed[], findingOf: (node: ts.Node, source: Source) => string | null): Rule =>
  checkEach((source) =>
    nodesOf(source.tree).flatMap((node) => {
      const finding = findingOf(node, source);
      return finding === null || isAllowed(allowed, source, node)
        ? []
        : [`${locationOf(source, node)} ${finding}, in ${ownerOf(node)}`];
    }),
  );

/**
 * Finds allowances that no code needs any more: they must be removed, or the list would lose its meaning. Checks only
 * the files of each allowance, because a rule checks each file by itself.
 */
export const checkAllNeeded = (rule: (allowed: readonly Allowed[]) => Rule, allowed: readonly Allowed[]): Rule => {
  return (sources) =>
    allowed
      .filter((one) => {
        const own = sources.filter(({ path }) => isBelow(path, one.where.split(' ')[0] ?? ''));
        return rule(allowed.filter((other) => other !== one))(own).length === rule(allowed)(own).length;
      })
      .map(({ where }) => `${where} is allowed what it does not do`);
};

const isMember = (node: ts.Node, names: readonly string[]): boolean =>
  (ts.isPropertyAccessExpression(node) && names.includes(node.name.text)) ||
  (ts.isElementAccessExpression(node) &&
    ts.isStringLiteralLike(node.argumentExpression) &&
    names.includes(node.argumentExpression.text));

/**
 * Checks where streams are started: `subscribe`, and `connect` of a connectable. RxJS's `forEach` is spelled like an
 * array's, so it is left to review.
 */
export const checkSubscriptions = (allowed: readonly Allowed[]): Rule =>
  checkOnlyIn(allowed, (node) => (isMember(node, ['subscribe']) ? 'subscribes' : null));

const timeNames = [
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'requestAnimationFrame',
  'requestIdleCallback',
  'crypto',
];
const timeMembers = ['Math.random', 'Date.now', 'process.hrtime', 'process.nextTick', 'process.uptime'];
const timeModules = [
  'node:crypto',
  'crypto',
  'node:timers',
  'node:timers/promises',
  'timers',
  'node:perf_hooks',
  'perf_hooks',
];
const timeSchedulers = [
  'asyncScheduler',
  'asapScheduler',
  'animationFrameScheduler',
  'async',
  'asap',
  'animationFrame',
  'animationFrames',
];

/** Whether an identifier is a reference of its own, and not the name of a member, a property or a declaration. */
const isFree = (node: ts.Node): node is ts.Identifier =>
  ts.isIdentifier(node) &&
  !(ts.isPropertyAccessExpression(node.parent) && node.parent.name === node) &&
  !(ts.isPropertyAssignment(node.parent) && node.parent.name === node) &&
  !(ts.isPropertySignature(node.parent) && node.parent.name === node) &&
  !(ts.isQualifiedName(node.parent) && node.parent.right === node);

/** Checks time and random numbers. `new Date(ms)` only formats a known time and is allowed. */
export const checkTimeSources = (allowed: readonly Allowed[]): Rule =>
  checkOnlyIn(allowed, (node) => {
    if (isFree(node) && timeNames.includes(node.text)) return `uses ${node.text}`;
    if (isFree(node) && node.text === 'globalThis' && isMember(node.parent, [...timeNames, 'Date']))
      return `uses ${node.parent.getText()}`;
    if (ts.isPropertyAccessExpression(node) && timeMembers.includes(node.getText())) return `uses ${node.getText()}`;
    if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length)
      return 'uses new Date()';
    if (ts.isCallExpression(node) && node.expression.getText() === 'Date') return 'uses Date()';
    if (!ts.isImportDeclaration(node) || !ts.isStringLiteral(node.moduleSpecifier)) return null;
    if (timeModules.includes(node.moduleSpecifier.text)) return `imports ${node.moduleSpecifier.text}`;
    const schedulers = node.moduleSpecifier.text.startsWith('rxjs')
      ? nodesOf(node).filter((name) => ts.isIdentifier(name) && timeSchedulers.includes(name.text))
      : [];
    return schedulers[0] ? `imports ${schedulers[0].getText()}` : null;
  });

const promiseNames = ['Promise', 'PromiseLike', 'firstValueFrom', 'lastValueFrom', 'ObservableInput'];

/**
 * Checks promises. They come from a promise type or function, from Node's modules or from packages, and the last two
 * have owners (`ownsItsPackage`). A file without these words has no promise to give to `from`.
 */
export const checkPromises = (allowed: readonly Allowed[]): Rule =>
  checkOnlyIn(allowed, (node, { tree }) => {
    if (ts.isAwaitExpression(node) || node.kind === ts.SyntaxKind.AwaitKeyword) return 'awaits';
    if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'is async';
    // A check for `then` is how code detects a promise.
    if (ts.isCallExpression(node) && isMember(node.expression, ['then', 'finally', 'toPromise'])) {
      return `calls ${node.expression.getText(tree).split(/[.\s]/).at(-1) ?? ''}`;
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      return 'imports while running';
    if (!isFree(node) || !promiseNames.includes(node.text) || ts.isImportSpecifier(node.parent)) return null;
    return `uses ${node.text}`;
  });

const timedOperators = [
  'timer',
  'interval',
  'delay',
  'debounceTime',
  'timeout',
  'timeoutWith',
  'throttleTime',
  'auditTime',
  'sampleTime',
  'bufferTime',
  'windowTime',
  'timestamp',
  'timeInterval',
];

/**
 * Checks operators that wait: RxJS 7.8 counts real milliseconds unless a scheduler is given. Only calls that write the
 * operator's name out are found.
 */
export const checkTimerSchedulers: Rule = checkEach((source) => {
  const known = new Map(
    nodesOf(source.tree)
      .filter(ts.isImportSpecifier)
      .filter((name) => name.parent.parent.parent.moduleSpecifier.getText().startsWith(`'rxjs`))
      .map((name) => [name.name.text, (name.propertyName ?? name.name).text]),
  );
  const isFinding = (call: ts.CallExpression | ts.NewExpression): boolean =>
    (call.arguments ?? []).some((argument) =>
      nodesOf(argument).some((node) => ts.isIdentifier(node) && node.text === 'scheduler'),
    );
  const whole = nodesOf(source.tree).filter(
    (node) => ts.isNamespaceImport(node) && node.parent.parent.moduleSpecifier.getText().startsWith(`'rxjs`),
  );
  const calls = nodesOf(source.tree)
    .filter((node) => ts.isCallExpression(node) || ts.isNewExpression(node))
    .filter((call) => {
      const name = known.get(call.expression.getText()) ?? '';
      const isReplay = name === 'ReplaySubject' && (call.arguments?.length ?? 0) > 1;
      return (timedOperators.includes(name) && !isFinding(call)) || (isReplay && !isFinding(call));
    })
    .map((call) => `${locationOf(source, call)} calls ${call.expression.getText()} without a scheduler`);
  const polls = nodesOf(source.tree)
    .filter(ts.isCallExpression)
    .filter((call) => ['repeat', 'retry'].includes(known.get(call.expression.getText()) ?? ''))
    .filter((call) =>
      nodesOf(call).some(
        (node) =>
          ts.isPropertyAssignment(node) && node.name.getText() === 'delay' && ts.isNumericLiteral(node.initializer),
      ),
    )
    .map((call) => `${locationOf(source, call)} calls ${call.expression.getText()} without a scheduler`);
  return [
    ...polls,
    ...whole.map((node) => `${locationOf(source, node)} imports the whole of rxjs, where calls cannot be told`),
    ...calls,
  ];
});

const realWaits = ['setTimeout', 'setInterval'];
const realMembers = ['Atomics.wait', 'Atomics.waitAsync', 'AbortSignal.timeout', 'systemClock.scheduler'];
const realModules = ['node:timers', 'node:timers/promises', 'timers', 'timers/promises'];
const realSchedulers = timeSchedulers.filter((name) => !name.startsWith('asap'));

/**
 * Checks real waiting: a spec that waits for milliseconds is slow, or wrong on a slow machine. An event-loop turn is
 * not counted, and `timeout` is the bound of another wait.
 */
export const checkVirtualTime = (allowed: readonly Allowed[]): Rule => {
  const waits = checkOnlyIn(allowed, (node) => {
    if (isFree(node) && realWaits.includes(node.text)) return `uses ${node.text}`;
    const isGlobal = isMember(node, realWaits) && /^(global|globalThis|window)\b/.test(node.getText());
    // Only of members: the text of every node would be the whole file again for each level.
    if (isGlobal || (ts.isPropertyAccessExpression(node) && realMembers.includes(node.getText())))
      return `uses ${node.getText()}`;
    if (ts.isCallExpression(node) && /^import\(.(node:)?timers/.test(node.getText()))
      return `imports ${node.getText()}`;
    if (!ts.isImportDeclaration(node) || !ts.isStringLiteral(node.moduleSpecifier)) return null;
    if (realModules.includes(node.moduleSpecifier.text)) return `imports ${node.moduleSpecifier.text}`;
    if (!node.moduleSpecifier.text.startsWith('rxjs')) return null;
    const real = nodesOf(node).find((name) => ts.isIdentifier(name) && realSchedulers.includes(name.text));
    return real ? `imports ${real.getText()}` : null;
  });
  const timers: Rule = (sources) =>
    checkTimerSchedulers(sources).filter(
      (found) =>
        / calls (?!timeout )\w+ without a scheduler$/.test(found) &&
        !allowed.some(({ where }) => found.startsWith(`${where}:`)),
    );
  return (sources) => [...waits(sources), ...timers(sources)];
};

/** Checks that only the owners of a package import it. The longest name in the table that matches counts. */
export const checkPackageOwners = (owners: Readonly<Record<string, readonly string[]>>): Rule =>
  checkEach((source) =>
    importsOf(source)
      .filter(({ target }) => target === null)
      .filter(({ specifier }) => {
        const names = Object.keys(owners).filter((name) => specifier === name || specifier.startsWith(`${name}/`));
        const [owner] = names.sort((a, b) => b.length - a.length);
        return owner === undefined || !(owners[owner] ?? []).some((folder) => isBelow(source.path, folder));
      })
      .map(({ node, specifier }) => `${locationOf(source, node)} may not import ${specifier}`),
  );

/**
 * Returns the packages that are loaded with a file: the imports of it and of its imports, without types and dynamic
 * imports.
 */
export const loadedPackagesOf = (path: string, sources: readonly Source[]): readonly string[] => {
  const visited = new Set<string>();
  const packages = new Set<string>();
  const visit = (one: string): void => {
    if (visited.has(one)) return;
    visited.add(one);
    const source = sources.find((each) => each.path === one);
    for (const { specifier, target, typesOnly, dynamic } of source ? importsOf(source) : []) {
      if (typesOnly || dynamic) continue;
      if (target === null) packages.add(specifier);
      else visit(target);
    }
  };
  visit(path);
  return [...packages].sort();
};
