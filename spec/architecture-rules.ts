import ts from 'typescript';
import { locationOf, importsOf, nodesOf, ownerOf, type Source } from './parsed-source.js';

/** What a rule has to say about some files: a line for each thing that breaks it, beginning with its place. */
export type Rule = (sources: readonly Source[]) => readonly string[];

/** A rule that can be told file by file. */
export const checkEach =
  (judge: (source: Source) => readonly string[]): Rule =>
  (sources) =>
    sources.flatMap(judge);

const isBelow = (path: string, place: string): boolean =>
  path === place || (place.endsWith('/') && path.startsWith(place));

/** What a room may import besides itself. `types`: only with `import type`. */
export interface Room {
  readonly values: readonly string[];
  readonly types?: readonly string[];
}

/** `lib/session/mux.ts` is in `lib/session/`; a file directly in `lib` is a room of its own. */
const roomOf = (path: string): string =>
  path.split('/').slice(0, 2).join('/') + (path.split('/').length > 2 ? '/' : '');

/** Who may import whom. `exempt` holds values that a room may import although it may have only types from there. */
export const checkRooms = (
  rooms: Readonly<Record<string, Room>>,
  doors: readonly string[],
  exempt: readonly { readonly file: string; readonly names: readonly string[] }[] = [],
): Rule =>
  checkEach((source) => {
    const home = roomOf(source.path);
    const room = rooms[home];
    if (!room) return [`${source.path}:1 is in no room of the table`];
    return importsOf(source)
      .map(({ node, target, typesOnly, names }) => {
        if (target === null) return null;
        const among = (places: readonly string[]): boolean => places.some((place) => isBelow(target, place));
        const isDoor = doors.includes(target) && !room.values.includes(target);
        const isFreed =
          names.length > 0 &&
          exempt.some((one) => one.file === target && names.every((name) => one.names.includes(name)));
        if (roomOf(target) === home ? !doors.includes(target) : among(room.values) && !isDoor) return null;
        if (among(room.types ?? []))
          return typesOnly || isFreed ? null : `${locationOf(source, node)} may import only types of ${target}`;
        return `${locationOf(source, node)} may not import ${target}`;
      })
      .filter((found) => found !== null);
  });

/** Types count: two files that need each other's types are one file, or a third is missing. */
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

/** A file and what in it is allowed: a top-level declaration by name, or everything. */
export interface Allowed {
  /** A file, a file and a declaration in it (`lib/a.ts b`), or a folder that ends in a slash. */
  readonly where: string;
  readonly why: string;
}

const isAllowed = (allowed: readonly Allowed[], source: Source, node: ts.Node): boolean =>
  allowed.some(({ where }) => isBelow(source.path, where) || where === `${source.path} ${ownerOf(node)}`);

const checkOnlyIn = (allowed: readonly Allowed[], said: (node: ts.Node, source: Source) => string | null): Rule =>
  checkEach((source) =>
    nodesOf(source.tree).flatMap((node) => {
      const words = said(node, source);
      return words === null || isAllowed(allowed, source, node)
        ? []
        : [`${locationOf(source, node)} ${words}, in ${ownerOf(node)}`];
    }),
  );

/** An allowance that nothing needs any more is taken away, or the list would stop meaning anything. */
export const checkAllNeeded = (rule: (allowed: readonly Allowed[]) => Rule, allowed: readonly Allowed[]): Rule => {
  return (sources) =>
    allowed
      .filter((one) => rule(allowed.filter((other) => other !== one))(sources).length === rule(allowed)(sources).length)
      .map(({ where }) => `${where} is allowed what it does not do`);
};

const isMember = (node: ts.Node, names: readonly string[]): boolean =>
  (ts.isPropertyAccessExpression(node) && names.includes(node.name.text)) ||
  (ts.isElementAccessExpression(node) &&
    ts.isStringLiteralLike(node.argumentExpression) &&
    names.includes(node.argumentExpression.text));

/**
 * Starting a stream: `subscribe`, `connect` of a connectable, RxJS's `forEach` has no other spelling than an array's
 * and is left to review.
 */
export const checkSubscriptions = (allowed: readonly Allowed[]): Rule =>
  checkOnlyIn(allowed, (node) => (isMember(node, ['subscribe']) ? 'subscribes' : null));

const timeWords = [
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

/** An identifier that stands for itself: not the name of a member, a property or a declaration. */
const isFree = (node: ts.Node): node is ts.Identifier =>
  ts.isIdentifier(node) &&
  !(ts.isPropertyAccessExpression(node.parent) && node.parent.name === node) &&
  !(ts.isPropertyAssignment(node.parent) && node.parent.name === node) &&
  !(ts.isPropertySignature(node.parent) && node.parent.name === node) &&
  !(ts.isQualifiedName(node.parent) && node.parent.right === node);

/** Time and chance: `new Date(ms)` only writes down a time that is known, and is nobody's clock. */
export const checkTimeSources = (allowed: readonly Allowed[]): Rule =>
  checkOnlyIn(allowed, (node) => {
    if (isFree(node) && timeWords.includes(node.text)) return `uses ${node.text}`;
    if (isFree(node) && node.text === 'globalThis' && isMember(node.parent, [...timeWords, 'Date']))
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
 * Promises come from a name of theirs, from the runtime's modules and from packages, and the last two have an owner
 * each (`ownsItsPackage`): a file that says none of these words has no promise that it could give to `from`.
 */
export const checkPromises = (allowed: readonly Allowed[]): Rule =>
  checkOnlyIn(allowed, (node, { tree }) => {
    if (ts.isAwaitExpression(node) || node.kind === ts.SyntaxKind.AwaitKeyword) return 'awaits';
    if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'is async';
    // Asking whether there is a `then` is how a promise is refused.
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
 * RxJS 7.8 counts real milliseconds wherever it is not told otherwise; only what is written out at the call can be
 * found again.
 */
export const checkTimerSchedulers: Rule = checkEach((source) => {
  const known = new Map(
    nodesOf(source.tree)
      .filter(ts.isImportSpecifier)
      .filter((name) => name.parent.parent.parent.moduleSpecifier.getText().startsWith(`'rxjs`))
      .map((name) => [name.name.text, (name.propertyName ?? name.name).text]),
  );
  const says = (call: ts.CallExpression | ts.NewExpression): boolean =>
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
      return (timedOperators.includes(name) && !says(call)) || (isReplay && !says(call));
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
 * What waits for milliseconds of the machine: a spec that does is slow, or wrong on a slow machine. A turn of the event
 * loop is no time, and `timeout` is the bound of a wait for something else.
 */
export const checkVirtualTime = (allowed: readonly Allowed[]): Rule => {
  const waits = checkOnlyIn(allowed, (node) => {
    if (isFree(node) && realWaits.includes(node.text)) return `uses ${node.text}`;
    const isGlobal = isMember(node, realWaits) && /^(global|globalThis|window)\b/.test(node.getText());
    if (isGlobal || realMembers.includes(node.getText())) return `uses ${node.getText()}`;
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

/** Every package belongs to the files that are named for it. Matched by the longest name in the table. */
export const checkPackageOwners = (owners: Readonly<Record<string, readonly string[]>>): Rule =>
  checkEach((source) =>
    importsOf(source)
      .filter(({ target }) => target === null)
      .filter(({ specifier }) => {
        const names = Object.keys(owners).filter((name) => specifier === name || specifier.startsWith(`${name}/`));
        const [owner] = names.sort((a, b) => b.length - a.length);
        return owner === undefined || !(owners[owner] ?? []).some((place) => isBelow(source.path, place));
      })
      .map(({ node, specifier }) => `${locationOf(source, node)} may not import ${specifier}`),
  );

/** The packages that come with a file: all that it and what it imports name, but for types and what is loaded later. */
export const loadedPackagesOf = (path: string, sources: readonly Source[]): readonly string[] => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (one: string): void => {
    if (seen.has(one)) return;
    seen.add(one);
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
