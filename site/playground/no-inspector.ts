/** Replaces the inspector until it exists. */
export const mountInspector = (_client: unknown, parent: Element): HTMLElement =>
  parent.appendChild(Object.assign(document.createElement('p'), { textContent: 'The inspector is not built yet.' }));
