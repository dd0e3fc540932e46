/* The entry point of `tidemark/inspector`: every public name, listed by hand (`spec/public-exports.spec.ts`). */
export { defineInspector, mountInspector, type InspectorElement } from './inspector-element.js';
export { observeSimulatedOffline, simulateOffline } from './simulate-offline.js';
