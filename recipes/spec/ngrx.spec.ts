import '@angular/compiler';
import { Component, inject, provideZonelessChangeDetection } from '@angular/core';
import { bootstrapApplication } from '@angular/platform-browser';
import { memoryStorage } from 'tidemark';
import { provideRealm, provideSyncClient } from 'tidemark/angular';
import { TaskStore } from '../ngrx/task-store';
import { schema } from '../schema';
import { until } from '../../angular/spec/until';
import { shown, useWorld } from './recipe-contract';

class App {
  readonly store = inject(TaskStore);
}
const template = `
  <p>{{ store.status().connection.state }}, {{ store.unsent() }} unsent</p>
  @for (task of store.tasks.value(); track task.id) { <li>{{ task.title }}</li> }`;
const AppComponent = Component({ selector: 'main', template, providers: [TaskStore] })(App);

describe('the NgRx recipe', () => {
  const context = useWorld();
  const start = async () => {
    const app = await bootstrapApplication(AppComponent, {
      providers: [
        provideZonelessChangeDetection(),
        provideSyncClient({ dial: context.world.dial }),
        provideRealm({ schema, storage: memoryStorage(), sync: { realm: 'team' } }),
      ],
    });
    return { app, store: (app.components[0]!.instance as App).store };
  };

  it('has the objects of a query that its state selects, the status, and methods that write', async () => {
    const { app, store } = await start();
    await until(() => shown() === 'connected, 0 unsent | Buy milk');
    store.show(true);
    await until(() => shown() === 'connected, 0 unsent | Bake bread');
    await context.world.other.write((tx) => tx.create('Task', { id: 'cat', title: 'Adopt a cat', done: true }));
    await until(() => shown() === 'connected, 0 unsent | Adopt a cat | Bake bread');
    context.world.setOnline(false);
    await until(() => shown().startsWith('disconnected, 0 unsent'));
    await store.finish('milk');
    await until(() => shown() === 'disconnected, 1 unsent | Adopt a cat | Bake bread | Buy milk');
    context.world.setOnline(true);
    store.realm.value()?.session?.reconnect();
    await until(() => store.unsent() === 0 && context.world.other.get('Task', 'milk')?.done === true);
    app.destroy();
  });

  it('releases the realm with the app', async () => {
    const { app, store } = await start();
    const realm = await store.realm.opened();
    app.destroy();
    await until(() => realm.session?.syncState === 'inactive');
    expect(() => realm.objects('Task')).toThrow('closed');
  });
});
