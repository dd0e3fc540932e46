/**
 * Loads a package at run time, hidden from bundlers: a bundle for server-side rendering must not fail because an
 * optional package is not installed, and must not carry a native module.
 *
 * @param name - The package, as it is installed beside this one.
 * @returns A promise of its exports. It rejects as `import()` does.
 */
export const importAtRunTime = <Exports>(name: string): Promise<Exports> =>
  import(/* webpackIgnore: true */ /* @vite-ignore */ name) as Promise<Exports>;
