import '@angular/compiler';
import { Component, provideZonelessChangeDetection } from '@angular/core';
import { bootstrapApplication, type BootstrapContext } from '@angular/platform-browser';
import { provideServerRendering, renderApplication } from '@angular/platform-server';
import { defer } from 'rxjs';
import { memoryStorage } from 'tidemark';
import {
  injectConnectionState,
  injectObjects,
  injectRealm,
  injectSyncClient,
  provideRealm,
  provideSyncClient,
  withUnsentChangesGuard,
} from 'tidemark/angular';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;

it('in server-side rendering nothing is opened, nothing connects, and rendering ends', async () => {
  const used: string[] = [];
  const waits: Promise<unknown>[] = [];
  class App {
    readonly client = injectSyncClient();
    readonly realm = injectRealm();
    readonly tasks = injectObjects('Task');
    readonly connection = injectConnectionState();
    constructor() {
      waits.push(this.realm.opened().catch((error: unknown) => String(error)));
    }
  }
  const template =
    '{{ connection() }} {{ tasks.status() }} {{ client === null }} @for (task of tasks.value(); track task.id) {<li></li>}';
  const AppComponent = Component({ selector: 'app-root', template })(App);
  const open = (name: string, opened: unknown) =>
    defer(() => {
      used.push(name);
      return [opened];
    });
  const html = await renderApplication(
    (context: BootstrapContext) =>
      bootstrapApplication(
        AppComponent,
        {
          providers: [
            provideZonelessChangeDetection(),
            provideServerRendering(),
            provideSyncClient({ dial: open('connection', () => []) as never }, withUnsentChangesGuard()),
            provideRealm({ schema, storage: open('storage', memoryStorage()) as never, sync: { realm: 'team' } }),
          ],
        },
        context,
      ),
    { document: '<html><body><app-root></app-root></body></html>', url: '/' },
  );
  expect(html).toContain('disconnected loading true');
  expect(await Promise.all(waits)).toEqual([expect.stringContaining('no realm is opened')]);
  expect(used).toEqual([]);
});
