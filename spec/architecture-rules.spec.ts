import {
  checkTimeSources,
  checkNoCycles,
  checkPromises,
  checkAllNeeded,
  checkPackageOwners,
  loadedPackagesOf,
  checkSubscriptions,
  checkTimerSchedulers,
  checkVirtualTime,
  type Rule,
} from './architecture-rules.js';
import {
  checkDisableReasons,
  checkNamedExports,
  checkNoBarrel,
  checkLength,
  checkNoSkippedTests,
} from './file-rules.js';
import { sourceOf } from './parsed-source.js';

/** Returns the findings of a rule for a small program, which is given as paths and texts in turns. */
const findingsOf = (rule: Rule, ...files: readonly string[]): readonly string[] =>
  rule(files.flatMap((path, i) => (i % 2 ? [] : [sourceOf(path, files[i + 1]!)])));

// Each rule is tested with wrong programs; architecture.spec.ts applies the rules to the library.
describe('the rules of architecture', () => {
  const file = 'lib/store/a.ts';

  it('see a cycle, through types too', () => {
    expect(
      findingsOf(
        checkNoCycles,
        'lib/a.ts',
        "import { b } from './b.js';",
        'lib/b.ts',
        "import type { A } from './a.js';",
      ),
    ).toEqual(['lib/a.ts:1 imports itself: lib/a.ts → lib/b.ts → lib/a.ts']);
  });

  it.each([
    'a$.subscribe();',
    'a$\n  .pipe(b)?.subscribe(c);',
    "a$['subscribe']();",
    'new Observable((to) => a$.subscribe(to));',
    '[a$].map((a) => a.subscribe);',
  ])('see %j subscribing', (text) => {
    const edge = (name: string) => checkSubscriptions([{ where: `${file} ${name}`, why: 'it runs here' }]);
    expect(findingsOf(edge('other'), file, `const run = () => { ${text} };`)).toHaveLength(1);
    expect(findingsOf(edge('run'), file, `const run = () => { ${text} };`)).toEqual([]);
  });

  it.each([
    ...[
      'Date.now()',
      'new Date()',
      'Date()',
      'performance.now()',
      'Math.random()',
      'setTimeout(f, 1)',
      'globalThis.setInterval(f)',
      'queueMicrotask(f)',
    ],
    ...['crypto.randomUUID()', 'f(setTimeout)', 'process.hrtime()'],
  ])('see %s', (text) => {
    expect(findingsOf(checkTimeSources([]), file, `const a = () => ${text};`)).toHaveLength(1);
  });

  it.each([
    "import { randomBytes } from 'node:crypto';",
    "import { asyncScheduler } from 'rxjs';",
    "import { setTimeout } from 'node:timers/promises';",
  ])('see %s', (text) => {
    expect(findingsOf(checkTimeSources([]), file, text)).not.toEqual([]);
  });

  it('allow a date with a given time', () => {
    expect(
      findingsOf(checkTimeSources([]), file, 'const a = new Date(5); const b = { performance: clock.now() };'),
    ).toEqual([]);
  });

  it.each([
    'timer(5)',
    'interval(5)',
    'delay(5)',
    'debounceTime(5)',
    'timeout({ first: 5 })',
    'throttleTime(5)',
    'auditTime(5)',
    'new ReplaySubject(1, 5)',
  ])('see %s without a scheduler', (text) => {
    const name = /\w+(?=\()/.exec(text)![0];
    expect(findingsOf(checkTimerSchedulers, file, `import { ${name} } from 'rxjs'; const a = ${text};`)).toHaveLength(
      1,
    );
    expect(
      findingsOf(
        checkTimerSchedulers,
        file,
        `import { ${name} as b } from 'rxjs'; const a = ${text.replace(name, 'b')};`,
      ),
    ).toHaveLength(1);
    const scheduled = text.replace(/(\)| \}\))$/, ', scheduler$1');
    expect(findingsOf(checkTimerSchedulers, file, `import { ${name} } from 'rxjs'; const a = ${scheduled};`)).toEqual(
      [],
    );
  });

  it.each([
    'await new Promise((resolve) => setTimeout(resolve, 25));',
    'const ticking = setInterval(f, 5);',
    "import { setTimeout } from 'node:timers/promises';",
    "const { setTimeout: sleep } = await import('node:timers/promises');",
    'await new Promise((resolve) => globalThis.setTimeout(resolve, 25));',
    "await new Promise((resolve) => globalThis['setTimeout'](resolve, 25));",
    'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 25);',
    'await once(AbortSignal.timeout(25));',
    "import { timer } from 'rxjs'; const a = timer(25, systemClock.scheduler);",
    'systemClock.scheduler.schedule(done, 25);',
    "import { asyncScheduler } from 'rxjs';",
    "import { delay, of } from 'rxjs'; const a = of(1).pipe(delay(5));",
    "import { of, repeat } from 'rxjs'; const a = of(1).pipe(repeat({ delay: 20 }));",
  ])('see a spec sleep in %j', (text) => {
    const spec = 'spec/store/a.spec.ts';
    expect(findingsOf(checkVirtualTime([]), spec, text)).not.toEqual([]);
    expect(findingsOf(checkVirtualTime([{ where: spec, why: 'it runs a process' }]), spec, text)).toEqual([]);
  });

  it.each([
    'await new Promise((resolve) => setImmediate(resolve));',
    "import { asapScheduler } from 'rxjs';",
    "import { of, timeout } from 'rxjs'; const a = of(1).pipe(timeout({ first: 5 }));",
    "import { of, repeat } from 'rxjs'; const a = of(1).pipe(repeat({ delay: turn }));",
    "import { timer } from 'rxjs'; const a = timer(5, scheduler);",
  ])('see no sleep in %j', (text) => {
    expect(findingsOf(checkVirtualTime([]), 'spec/store/a.spec.ts', text)).toEqual([]);
  });

  it('see operators that hide behind a namespace', () => {
    expect(findingsOf(checkTimerSchedulers, file, "import * as rx from 'rxjs'; rx.timer(5);")).toHaveLength(1);
  });

  it.each([
    ...[
      'new Promise(f)',
      'Promise.resolve(1)',
      'from(f().then(g))',
      'firstValueFrom(a$)',
      "import('ws')",
      'a$.toPromise()',
      'f as () => Promise<void>',
    ],
    ...['async () => 1', 'f<ObservableInput<string>>()'],
  ])('see the promise of %s', (text) => {
    expect(
      findingsOf(checkPromises([{ where: 'lib/storage/', why: 'it keeps bytes' }]), file, `const a = ${text};`),
    ).not.toEqual([]);
    expect(
      findingsOf(checkPromises([{ where: 'lib/store/', why: 'it keeps bytes' }]), file, `const a = ${text};`),
    ).toEqual([]);
  });

  it.each([
    "import { Packr } from 'msgpackr';",
    "import type { Level } from 'classic-level';",
    "import ws from 'ws';",
    "import { left } from 'fp-ts/lib/Either.js';",
    "import { webSocket } from 'rxjs/webSocket';",
    "import { TestScheduler } from 'rxjs/testing';",
  ])('see a package without an owner in %s', (text) => {
    expect(
      findingsOf(
        checkPackageOwners({
          rxjs: ['lib/'],
          'rxjs/testing': ['lib/testing/'],
          'rxjs/webSocket': [],
          msgpackr: ['lib/model/msgpack.ts'],
        }),
        file,
        text,
      ),
    ).toHaveLength(1);
  });

  it('allow a check whether a value is a promise', () => {
    expect(findingsOf(checkPromises([]), file, "const isThenable = (a: A) => typeof a.then === 'function';")).toEqual(
      [],
    );
  });

  it('follow static imports, but neither types nor dynamic imports', () => {
    const entryPoint = sourceOf('lib/index.ts', "export { b } from './b.js'; import type { C } from './c.js';");
    const behind = sourceOf(
      'lib/b.ts',
      "import ws from 'ws'; import type { A } from 'a'; const later = () => import('d');",
    );
    expect(loadedPackagesOf('lib/index.ts', [entryPoint, behind, sourceOf('lib/c.ts', "import c from 'c';")])).toEqual([
      'ws',
    ]);
  });

  it('see a long file', () => {
    const length = checkLength(300, 400);
    expect(findingsOf(length, file, 'a;\n'.repeat(300) + '// b\n'.repeat(100))).toEqual([]);
    expect(findingsOf(length, file, 'a;\n'.repeat(301))).toEqual([
      'lib/store/a.ts:301 has more than 300 lines of code',
    ]);
    expect(findingsOf(length, file, '// b\n'.repeat(401))).toEqual(['lib/store/a.ts:401 has more than 400 lines']);
  });

  it.each([
    'export default 1;',
    'export default function f() {}',
    'const a = 1; export { a as default };',
    "export * from './b.js';",
    "export * as b from './b.js';",
  ])('see an export without a name of its own in %s', (text) => {
    expect(findingsOf(checkNamedExports, file, text)).toHaveLength(1);
  });

  it.each([
    "export { b } from './b.js';",
    "export type { B } from './b.js';",
    "import { b } from './b.js'; export { b };",
  ])('see the barrel in %s', (text) => {
    expect(findingsOf(checkNoBarrel(['lib/index.ts']), file, text)).toHaveLength(1);
    expect(findingsOf(checkNoBarrel(['lib/index.ts']), 'lib/index.ts', text)).toEqual([]);
  });

  it('see a disabled lint rule without a reason', () => {
    // Written in one piece, this text would itself disable the rule.
    const off = ['// eslint', 'disable-next-line no-console'].join('-');
    expect(findingsOf(checkDisableReasons, file, `a;\n${off}\n`)).toEqual([
      `${file}:2 turns the linter off without saying why`,
    ]);
    expect(findingsOf(checkDisableReasons, file, `${off} -- it is the last resort\n`)).toEqual([]);
  });

  it.each([
    "it.skip('a', f);",
    "it.skip.each([1])('a', f);",
    "describe.only('a', f);",
    "it.todo('a');",
    "xit('a', f);",
  ])('see that %s skips specs', (text) => {
    expect(findingsOf(checkNoSkippedTests, 'spec/a.spec.ts', text)).not.toEqual([]);
    expect(
      findingsOf(checkNoSkippedTests, 'spec/a.spec.ts', "it('a', f); it.each([1])('skip', f); a$.pipe(skip(1));"),
    ).toEqual([]);
  });

  it('see an unnecessary exception', () => {
    const allowed = [{ where: `${file} gone`, why: 'it was needed once' }];
    expect(findingsOf(checkAllNeeded(checkSubscriptions, allowed), file, 'const here = () => 1;')).toEqual([
      `${file} gone is allowed what it does not do`,
    ]);
  });
});
