/** Milliseconds between two frames for people who prefer less motion. */
const calmMs = 1_000;

/** Calls a function for each frame of the screen, which a hidden page has not. Returns a function that ends it. */
export const runEachFrame = (draw: () => void, now: () => number): (() => void) => {
  const prefersCalm = matchMedia('(prefers-reduced-motion: reduce)');
  let drawnAt = -Infinity;
  let id = 0;
  const loop = (): void => {
    id = requestAnimationFrame(loop);
    if (prefersCalm.matches && Math.abs(now() - drawnAt) < calmMs) return;
    drawnAt = now();
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
