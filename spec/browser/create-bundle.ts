import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { type BuiltLibrary, buildLibrary } from '../server/server-process.js';

export interface Bundle {
  readonly code: string;
  /** The files of the bundle, and the imports that are left in it. */
  readonly metafile: Metafile;
}

/**
 * Bundles a program with the library, under the conditions of a browser.
 *
 * @param built - The compiled library. Without it, the library is compiled for this bundle.
 */
export const createBundle = async (
  program: string,
  external: string[] = [],
  built?: Pick<BuiltLibrary, 'folder'>,
): Promise<Bundle> => {
  const { folder, remove } = built ? { folder: built.folder, remove: () => undefined } : buildLibrary();
  try {
    const entry = join(folder, 'page.ts');
    writeFileSync(entry, program.replaceAll("'../../lib/", "'./"));
    writeFileSync(join(folder, 'package.json'), readFileSync('package.json', 'utf8').replaceAll('./dist/', './'));
    const result = await build({
      entryPoints: [entry],
      platform: 'browser',
      format: 'esm',
      bundle: true,
      minify: true,
      write: false,
      metafile: true,
      logLevel: 'silent',
      external,
    });
    return { metafile: result.metafile, code: result.outputFiles[0]!.text };
  } finally {
    remove();
  }
};
