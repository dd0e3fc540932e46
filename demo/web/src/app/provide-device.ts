import type { EnvironmentProviders, Provider } from '@angular/core';
import { provideRealm, provideSyncClient } from 'tidemark/angular';
import { deviceInfo, type DeviceInfo } from './device-info';
import { Focus } from './focus';
import { schema } from './schema';
import { TaskStore } from './task-store';

/** The server that serves this page also syncs, at the same port. */
const url = `${location.origin.replace(/^http/, 'ws')}/sync`;

/**
 * The providers of one device. Each device has an injector of its own, and so a client, a connection and a realm of its
 * own, as if it were another page on another machine.
 */
export const provideDevice = (device: DeviceInfo): (Provider | EnvironmentProviders)[] => [
  // A person who looks at the page does not want to wait for minutes until the next attempt.
  provideSyncClient({ url, timeouts: { backoffMost: 8_000 } }),
  provideRealm({ schema, storage: `board-${device.id}`, sync: { realm: 'board' } }),
  { provide: deviceInfo, useValue: device },
  TaskStore,
  Focus,
];
