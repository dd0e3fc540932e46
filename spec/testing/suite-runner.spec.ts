import { defer, of } from 'rxjs';
import { memoryStorage } from '../../lib/storage/memory.js';
import { dialSuite, historySuite, storageSuite, type SuiteRunner } from '../../lib/testing/index.js';
import { openHistoryCase } from '../server/history/history-case.js';

const memory = defer(() => of(memoryStorage()));

describe('a suite', () => {
  const suites: Readonly<Record<string, (runner?: SuiteRunner) => void>> = {
    storageSuite: (runner) => storageSuite('mine', memory, 'no copy', runner),
    historySuite: (runner) => historySuite('mine', () => openHistoryCase(memory), runner),
    dialSuite: (runner) => dialSuite('mine', () => Promise.reject(new Error('this dial must not be used')), runner),
  };

  it.each(Object.keys(suites))('reports the missing functions where there is no runner: %s', (name) => {
    const { afterEach: has } = globalThis;
    Object.assign(globalThis, { afterEach: undefined });
    try {
      expect(() => suites[name]!()).toThrow(
        'runner must be an object with describe, it and afterEach, as globals or as the last argument of the suite, received undefined.',
      );
    } finally {
      Object.assign(globalThis, { afterEach: has });
    }
  });

  it.each(Object.keys(suites))('registers each of its tests once with the given runner: %s', (name) => {
    const titles: string[] = [];
    suites[name]!({
      describe: (_, body) => body(),
      it: (title) => void titles.push(title),
      afterEach: () => undefined,
    });
    expect(titles.length).toBeGreaterThan(12);
    expect(new Set(titles).size).toBe(titles.length);
  });
});
