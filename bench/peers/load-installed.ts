import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

/** The folder into which the packages of other peers are installed, in `.tools/` of the checkout. */
export const installFolder = join(import.meta.dirname, '..', '..', 'peers');

/** Loads a package of another peer. Its type is that of the caller, because the packages are not dependencies. */
export const loadInstalled = async <Module>(name: string): Promise<Module> => {
  const loader = pathToFileURL(join(installFolder, 'load-package.js')).href;
  const { loadPackage } = (await import(loader)) as { readonly loadPackage: (name: string) => Promise<Module> };
  return loadPackage(name);
};
