import { openNamedStorage } from '../../lib/storage/browser-storage.js';
import { createBrowserTabs } from '../../lib/storage/browser-tabs.js';
import { tabPlatformOf } from '../../lib/storage/tab-platform.js';

const ignore = (): void => undefined;
const listening = { addEventListener: ignore, removeEventListener: ignore };
const needed = { navigator: { locks: {} }, BroadcastChannel: ignore, indexedDB: {}, ...listening };

/** Replaces global values until the returned function is called. */
const replaceGlobals = (values: Readonly<Record<string, unknown>>): (() => void) => {
  const before = Object.keys(values).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  for (const [name, value] of Object.entries(values)) {
    Reflect.deleteProperty(globalThis, name);
    if (value !== undefined) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return () => {
    for (const [name, descriptor] of before) {
      Reflect.deleteProperty(globalThis, name);
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
    }
  };
};

describe('the platform of tabs in a browser', () => {
  let restore = (): void => undefined;
  afterEach(() => {
    restore();
  });

  it.each([
    ['Web Locks', { navigator: {} }],
    ['a navigator', { navigator: undefined }],
    ['BroadcastChannel', { BroadcastChannel: undefined }],
    ['a working BroadcastChannel', { BroadcastChannel: null }],
    ['IndexedDB', { indexedDB: undefined }],
  ])('does not exist without %s', (_, missing) => {
    restore = replaceGlobals({ ...needed, ...missing });
    expect(createBrowserTabs('tasks')).toBeNull();
  });

  it('says that a worker, which has no document, is always visible', () => {
    restore = replaceGlobals(needed);
    const states: unknown[] = [];
    const page = createBrowserTabs('tasks')!.page$.subscribe({
      next: (state) => states.push(state),
      complete: () => states.push('completed'),
    });
    expect(states).toEqual(['visible']);
    page.unsubscribe();
  });
});

describe('a named storage in a browser', () => {
  let restore = (): void => undefined;
  afterEach(() => {
    restore();
  });

  it('can be shared by tabs under its name, and uses nothing of the browser until it is opened', () => {
    const used: string[] = [];
    restore = replaceGlobals({
      navigator: { locks: { request: () => used.push('lock'), query: () => used.push('query') } },
      BroadcastChannel: () => used.push('channel'),
      indexedDB: { open: () => used.push('database') },
      addEventListener: () => used.push('listener'),
    });
    expect(tabPlatformOf(openNamedStorage('tasks'))?.name).toBe('tasks');
    expect(used).toEqual([]);
  });

  it('cannot be shared where the browser has no Web Locks', () => {
    restore = replaceGlobals({ ...needed, navigator: {} });
    expect(tabPlatformOf(openNamedStorage('tasks'))).toBeUndefined();
  });
});
