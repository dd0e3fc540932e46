import type { Adapter, Peer } from './peer.js';

const loaders: Readonly<Record<Peer['adapter'], () => Promise<{ readonly adapter: Adapter }>>> = {
  raw: () => import('./raw-peer.js'),
  tidemark: () => import('./tidemark-peer.js'),
  yjs: () => import('./yjs-peer.js'),
  jazz: () => import('./jazz-peer.js'),
  loro: () => import('./loro-peer.js'),
};

/** Loads one adapter. A process loads no code of other peers. */
export const loadAdapter = async (name: Peer['adapter']): Promise<Adapter> => (await loaders[name]()).adapter;
