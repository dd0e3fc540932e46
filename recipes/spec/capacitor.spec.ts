import 'fake-indexeddb/auto';
import { jest } from '@jest/globals';
import { App, type AppPlugin } from '@capacitor/app';
import { Capacitor, type PluginListenerHandle } from '@capacitor/core';
import { Network, type NetworkPlugin } from '@capacitor/network';
import { Subject } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm } from 'tidemark';
import { watchNativeTriggers } from '../capacitor/native-triggers';
import { openTasks } from '../capacitor/open-tasks';
import { schema } from '../schema';
import { until } from '../../angular/spec/until';
import { milk } from './realm-world';
import { useWorld } from './recipe-contract';

/** A plugin of a device: answers later, as the bridge to native code does, and counts its listeners. */
const createPlugin = () => {
  const event$ = new Subject<unknown>();
  const plugin = {
    event$,
    names: new Array<string>(),
    listeners: 0,
    addListener: async (name: string, listener: (event: never) => void): Promise<PluginListenerHandle> => {
      plugin.names.push(name);
      await Promise.resolve();
      const subscription = event$.subscribe((event) => listener(event as never));
      plugin.listeners += 1;
      const remove = async () => {
        await Promise.resolve();
        subscription.unsubscribe();
        plugin.listeners -= 1;
      };
      return { remove };
    },
  };
  return plugin;
};
const createDevice = () => {
  const [network, app] = [createPlugin(), createPlugin()];
  return {
    network,
    app,
    trigger$: watchNativeTriggers(network as unknown as NetworkPlugin, app as unknown as AppPlugin),
  };
};

describe('the Capacitor recipe', () => {
  const context = useWorld();

  it('emits a trigger for a network that comes, goes or changes, and for an app that becomes active', async () => {
    const { network, app, trigger$ } = createDevice();
    const triggers: string[] = [];
    const subscription = trigger$.subscribe((trigger) => triggers.push(trigger));
    await until(() => network.listeners === 1 && app.listeners === 1);
    expect([network.names, app.names]).toEqual([['networkStatusChange'], ['appStateChange']]);
    network.event$.next({ connected: true, connectionType: 'wifi' });
    network.event$.next({ connected: true, connectionType: 'cellular' });
    network.event$.next({ connected: false, connectionType: 'none' });
    app.event$.next({ isActive: false });
    app.event$.next({ isActive: true });
    window.dispatchEvent(new Event('online'));
    expect(triggers).toEqual(['online', 'online', 'offline', 'visible', 'online']);
    subscription.unsubscribe();
    await until(() => network.listeners === 0 && app.listeners === 0);
  });

  it('removes a listener that the device adds after the stream has ended', async () => {
    const { network, app, trigger$ } = createDevice();
    trigger$.subscribe().unsubscribe();
    await until(() => network.names.length === 1 && app.names.length === 1);
    await until(() => network.listeners === 0 && app.listeners === 0);
  });

  it('makes a client connect at once when the app becomes active', async () => {
    const { app, network, trigger$ } = createDevice();
    const client = createSyncClient({ dial: context.world.dial, reconnect$: trigger$ });
    const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
    await until(() => realm.session.connectionState === 'connected' && app.listeners === 1);
    context.world.setOnline(false);
    const waitsForAttempt = () => {
      const { connection } = realm.session.status;
      return connection.state === 'disconnected' && connection.attempt >= 3;
    };
    await until(waitsForAttempt);
    context.world.setOnline(true);
    expect(realm.session.connectionState).toBe('disconnected');
    app.event$.next({ isActive: true });
    expect(realm.session.connectionState).not.toBe('disconnected');
    await until(() => realm.session.connectionState === 'connected');
    await client.close();
    await until(() => network.listeners === 0 && app.listeners === 0);
  });

  it('works with the plugins themselves, in a browser', async () => {
    expect(Capacitor.getPlatform()).toBe('web');
    const triggers: string[] = [];
    const added = [jest.spyOn(window, 'addEventListener'), jest.spyOn(document, 'addEventListener')] as const;
    const subscription = watchNativeTriggers(Network, App).subscribe((trigger) => triggers.push(trigger));
    await until(() => added[0].mock.calls.some(([name]) => name === 'offline'));
    await until(() => {
      triggers.length = 0;
      document.dispatchEvent(new Event('visibilitychange'));
      window.dispatchEvent(new Event('offline'));
      // Once of the WebView, and once of each plugin, as soon as Capacitor has loaded it.
      return triggers.length === 4;
    });
    expect(triggers.sort()).toEqual(['offline', 'offline', 'visible', 'visible']);
    subscription.unsubscribe();
  });

  it('keeps the data of the WebView, and asks Android to keep it', async () => {
    const persist = jest.fn(() => Promise.resolve(true));
    Object.defineProperty(navigator, 'storage', { value: { persist }, configurable: true });
    const platform = jest.spyOn(Capacitor, 'getPlatform').mockReturnValue('ios');
    const first = await openTasks('ws://localhost:1');
    expect(persist).not.toHaveBeenCalled();
    await first.write((tx) => tx.create('Task', milk));
    await first.close();
    platform.mockReturnValue('android');
    const second = await openTasks('ws://localhost:1');
    expect(persist).toHaveBeenCalledTimes(1);
    expect(second.objects('Task')).toEqual([milk]);
    await second.close();
    platform.mockRestore();
  });
});
