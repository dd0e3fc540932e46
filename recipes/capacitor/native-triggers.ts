import type { AppPlugin } from '@capacitor/app';
import type { PluginListenerHandle } from '@capacitor/core';
import type { NetworkPlugin } from '@capacitor/network';
import { filter, map, merge, Observable } from 'rxjs';
import { type ReconnectTrigger, watchReconnectTriggers } from 'tidemark';

const fromPlugin = <T>(listen: (listener: (event: T) => void) => Promise<PluginListenerHandle>): Observable<T> =>
  new Observable((subscriber) => {
    const handle = listen((event) => subscriber.next(event));
    handle.catch((thrown: unknown) => subscriber.error(thrown));
    return () => void handle.then(({ remove }) => remove()).catch(() => undefined);
  });

/** Events of the device after which a client tries to connect at once, besides those of the WebView. */
export const watchNativeTriggers = (network: NetworkPlugin, app: AppPlugin): Observable<ReconnectTrigger> =>
  merge(
    watchReconnectTriggers(),
    // Also emits when the device changes from Wi-Fi to a mobile network. `online` of the WebView does not.
    fromPlugin<{ connected: boolean }>((listener) => network.addListener('networkStatusChange', listener)).pipe(
      map(({ connected }) => (connected ? 'online' : 'offline')),
    ),
    fromPlugin<{ isActive: boolean }>((listener) => app.addListener('appStateChange', listener)).pipe(
      filter(({ isActive }) => isActive),
      map(() => 'visible' as const),
    ),
  );
