/** Loads a package that is installed in the folder of this file. */
export const loadPackage = (name) => import(name);
