/* A stand-in until tidemark/inspector is there. */
import { BehaviorSubject, type Observable } from 'rxjs';
import type { SyncClient } from 'tidemark';

const states = new WeakMap<SyncClient, BehaviorSubject<boolean>>();
const stateOf = (client: SyncClient): BehaviorSubject<boolean> => {
  const state = states.get(client) ?? new BehaviorSubject(false);
  states.set(client, state);
  return state;
};

export const simulateOffline = (client: SyncClient, offline: boolean): void => stateOf(client).next(offline);
export const observeSimulatedOffline = (client: SyncClient): Observable<boolean> => stateOf(client);
export const mountInspector = (_client: SyncClient, parent: Element): Element => {
  const element = document.createElement('div');
  element.className = 'inspector-stub';
  element.textContent = 'Inspector';
  return parent.appendChild(element);
};
