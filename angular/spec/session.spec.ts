import { createWorld, milk, schema } from './realm-world.js';
import { until } from './until.js';
import {
  createEnvironmentInjector,
  EnvironmentInjector,
  provideZonelessChangeDetection,
  runInInjectionContext,
} from '@angular/core';
import { getTestBed, TestBed } from '@angular/core/testing';
import { BrowserTestingModule, platformBrowserTesting } from '@angular/platform-browser/testing';
import { memoryStorage } from 'tidemark';
import {
  injectConnectionState,
  injectRealm,
  injectSyncClient,
  injectSyncState,
  injectSyncStatus,
  injectUploadProgress,
  provideRealm,
  provideSyncClient,
  type SyncClientFeature,
  unsentChangesGuard,
  withUnsentChangesGuard,
} from 'tidemark/angular';

getTestBed().initTestEnvironment(BrowserTestingModule, platformBrowserTesting());

beforeEach(() => {
  TestBed.configureTestingModule({ providers: [provideZonelessChangeDetection()] }); // The default since Angular 21.
});

const openApp = (...features: SyncClientFeature[]) => {
  const world = createWorld();
  const injector = createEnvironmentInjector(
    [
      provideSyncClient(() => world.options, ...features),
      provideRealm(() => ({ schema, storage: memoryStorage(), sync: { realm: 'team' } })),
    ],
    TestBed.inject(EnvironmentInjector),
  );
  const injected = runInInjectionContext(injector, () => ({
    client: injectSyncClient(),
    status: injectSyncStatus(),
    connection: injectConnectionState(),
    sync: injectSyncState(),
    progress: injectUploadProgress(),
  }));
  return { ...world, ...injected, injector, realm: runInInjectionContext(injector, () => injectRealm()) };
};

const isAskedBeforeLeaving = (): boolean => {
  const event = new Event('beforeunload', { cancelable: true });
  window.dispatchEvent(event);
  return event.defaultPrevented;
};

it('the signals of a session follow it', async () => {
  const app = openApp();
  await until(() => app.connection() === 'connected');
  expect(app.sync()).toBe('active');
  app.isOnline$.next(false);
  expect(app.connection()).toBe('disconnected');
  await app.realm.write((tx) => tx.put('Task', milk));
  expect(app.status().pending.changesets).toBe(1);
  expect(app.progress()?.estimate).toBeLessThan(1);
  app.isOnline$.next(true);
  app.client?.reconnect();
  await until(() => app.status().pending.changesets === 0);
  expect(app.progress()?.estimate).toBe(1);
  app.realm.value()?.session?.pause();
  expect([app.sync(), app.connection()]).toEqual(['paused', 'disconnected']);
  app.injector.destroy();
  await app.close();
});

it('the client is closed with its injector, also with unsent changes', async () => {
  const app = openApp();
  await until(() => app.connection() === 'connected');
  const session = (await app.realm.opened()).session;
  app.isOnline$.next(false);
  await app.realm.write((tx) => tx.put('Task', milk));
  app.injector.destroy();
  // A session of a client that is open would wait for the network, to upload the change.
  await until(() => session?.syncState === 'inactive');
  await app.close();
});

it('a local realm has an inactive session, and no progress', () => {
  const injector = createEnvironmentInjector(
    [provideRealm({ schema, storage: memoryStorage() })],
    TestBed.inject(EnvironmentInjector),
  );
  const { status, progress } = runInInjectionContext(injector, () => ({
    status: injectSyncStatus(),
    progress: injectUploadProgress(),
  }));
  expect(status()).toMatchObject({ sync: 'inactive', connection: { state: 'disconnected' } });
  expect(progress()).toBeNull();
});

describe('withUnsentChangesGuard', () => {
  it('asks before a page is left, while changes are not on the server yet', async () => {
    const app = openApp(withUnsentChangesGuard());
    await until(() => app.connection() === 'connected');
    expect(isAskedBeforeLeaving()).toBe(false);
    app.isOnline$.next(false);
    await app.realm.write((tx) => tx.put('Task', milk));
    expect(isAskedBeforeLeaving()).toBe(true);
    app.isOnline$.next(true);
    app.client?.reconnect();
    await until(() => app.status().pending.changesets === 0);
    expect(isAskedBeforeLeaving()).toBe(false);
    app.injector.destroy();
    await app.close();
  });

  it('stops with its injector, also with changes', async () => {
    const app = openApp(withUnsentChangesGuard());
    app.isOnline$.next(false);
    await app.realm.write((tx) => tx.put('Task', milk));
    expect(isAskedBeforeLeaving()).toBe(true);
    app.injector.destroy();
    expect(isAskedBeforeLeaving()).toBe(false);
    await app.close();
  });
});

it('unsentChangesGuard lets a route go, and asks while changes are not on the server yet', async () => {
  const app = openApp();
  const asked: number[] = [];
  const leave = () =>
    runInInjectionContext(app.injector, () =>
      unsentChangesGuard(({ changesets }) => {
        asked.push(changesets);
        return false;
      })(),
    );
  await until(() => app.connection() === 'connected');
  expect(leave()).toBe(true);
  app.isOnline$.next(false);
  await app.realm.write((tx) => tx.put('Task', milk));
  expect(leave()).toBe(false);
  expect(asked).toEqual([1]);
  app.injector.destroy();
  await app.close();
});
