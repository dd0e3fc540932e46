import 'zone.js';
import '@angular/compiler';
import { ApplicationRef, Component, NgZone, provideZoneChangeDetection } from '@angular/core';
import { bootstrapApplication } from '@angular/platform-browser';
import { filter, firstValueFrom } from 'rxjs';
import { memoryStorage } from 'tidemark';
import { allowAnyone, createSyncServer } from 'tidemark/server';
import {
  injectConnectionState,
  injectObjects,
  injectRealm,
  injectSyncClient,
  injectSyncStatus,
  provideRealm,
  provideSyncClient,
} from 'tidemark/angular';
import { milk, schema } from './realm-world.js';
import { until } from './until.js';

/** Milliseconds between two pings, short so that a spec sees many. */
const ping = 20;

/** Starts an app with zone.js that is connected by a WebSocket. */
const startApp = async () => {
  const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
  const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
  const counts = { checks: 0, frames: 0, open: 0 };
  /** The WebSocket of zone.js, which counts the frames that the server sent. */
  class CountingSocket extends WebSocket {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols);
      Zone.root.run(() => {
        this.addEventListener('message', () => (counts.frames += 1));
        this.addEventListener('open', () => (counts.open += 1));
        this.addEventListener('close', () => (counts.open -= 1));
      });
    }
  }
  class App {
    readonly realm = injectRealm();
    readonly client = injectSyncClient();
    readonly tasks = injectObjects('Task');
    readonly connection = injectConnectionState();
    readonly status = injectSyncStatus();
    check(): string {
      counts.checks += 1;
      return '';
    }
  }
  const template =
    '{{ check() }}{{ connection() }} {{ status().pending.changesets }}@for (task of tasks.value(); track task.id) { {{ task.title }}}';
  const AppComponent = Component({ selector: 'app-root', template })(App);
  document.body.innerHTML = '<app-root></app-root>';
  const app = await bootstrapApplication(AppComponent, {
    providers: [
      provideZoneChangeDetection(),
      provideSyncClient({ url: `ws://127.0.0.1:${port}`, WebSocket: CountingSocket, timeouts: { ping, linger: 0 } }),
      provideRealm({ schema, storage: memoryStorage(), sync: { realm: 'team' } }),
    ],
  });
  const instance = app.components[0]?.instance as App;
  const stop = async (): Promise<void> => {
    app.destroy();
    await server.close();
  };
  return { app, zone: app.injector.get(NgZone), counts, instance, stop };
};

const untilStable = ({ isStable }: ApplicationRef) => firstValueFrom(isStable.pipe(filter((stable) => stable)));

/** Expects that many pings are answered, and that no change detection runs meanwhile. */
const expectQuiet = async ({ counts }: Awaited<ReturnType<typeof startApp>>): Promise<void> => {
  const { frames, checks } = { ...counts };
  await until(() => counts.frames > frames + 10);
  expect(counts.checks).toBe(checks);
};

describe('with zone.js', () => {
  let world: Awaited<ReturnType<typeof startApp>>;
  beforeAll(async () => {
    world = await startApp();
  });
  afterAll(() => world.stop());

  it('an app becomes stable while it is connected', async () => {
    const { app, instance } = world;
    await until(() => instance.connection() === 'connected');
    await untilStable(app);
    expect(instance.connection()).toBe('connected');
  });

  it('shows its own write, and becomes stable after it', async () => {
    const { app, zone, instance } = world;
    await zone.run(() => instance.realm.write((tx) => tx.put('Task', milk)));
    await until(() => instance.status().pending.changesets === 0);
    await untilStable(app);
    await until(() => document.body.textContent === 'connected 0 Buy milk');
  });

  it('runs no change detection for pings, also after a call in the zone', async () => {
    const { app, zone, counts, instance } = world;
    const connect = async (call: () => void): Promise<void> => {
      await until(() => counts.open === 0);
      zone.run(call);
      await until(() => instance.connection() === 'connected');
      await untilStable(app);
    };
    const session = instance.realm.value()?.session;
    session?.pause();
    await connect(() => session?.resume());
    await expectQuiet(world);
    await instance.client?.logOut();
    await connect(() => instance.client?.logIn());
    await expectQuiet(world);
  });
});
