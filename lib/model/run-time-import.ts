/**
 * Loads a package that only Node has when it is needed, out of sight of bundlers: a bundle for server-side rendering
 * must not fail because an optional package is not installed, nor carry a native module.
 *
 * @param name - The package, as it is installed beside this one.
 * @returns A promise of its exports; it rejects as `import()` does.
 */
export const importAtRunTime = <Exports>(name: string): Promise<Exports> =>
  import(/* webpackIgnore: true */ /* @vite-ignore */ name) as Promise<Exports>;
