/** Calls a function for each frame of the screen, which a hidden page has not. Returns a function that ends it. */
export const runEachFrame = (draw: () => void): (() => void) => {
  let id = 0;
  const loop = (): void => {
    id = requestAnimationFrame(loop);
    draw();
  };
  loop();
  return () => cancelAnimationFrame(id);
};

/** The part of zone.js that is used. */
interface ZoneGlobal {
  readonly Zone?: { readonly root?: { readonly run: (work: () => void) => void } };
}

/** Runs work outside of Angular's zone: frames and events of the inspector run no change detection of the app. */
export const runOutsideZones = (work: () => void): void => {
  const { Zone } = globalThis as unknown as ZoneGlobal;
  if (Zone?.root) Zone.root.run(work);
  else work();
};
