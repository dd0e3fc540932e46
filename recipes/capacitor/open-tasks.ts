import { App } from '@capacitor/app';
import { Capacitor } from '@capacitor/core';
import { Network } from '@capacitor/network';
import { createSyncClient, openRealm } from 'tidemark';
import { schema } from '../schema';
import { watchNativeTriggers } from './native-triggers';

export const openTasks = async (url: string) => {
  // Android keeps the data then. iOS may delete it when the device is full.
  if (Capacitor.getPlatform() === 'android') await navigator.storage.persist();
  const client = createSyncClient({ url, reconnect$: watchNativeTriggers(Network, App) });
  return openRealm({ schema, storage: 'tasks', sync: { client, realm: 'team-42' } });
};
