import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { buildLibrary } from '../server/server-process.js';

export interface Bundle {
  readonly code: string;
  /** The files of the bundle, and the imports that are left in it. */
  readonly metafile: Metafile;
}

/** Compiles the library and bundles a program with it, under the conditions of a browser. */
export const createBundle = async (program: string, external: string[] = []): Promise<Bundle> => {
  const { folder, remove } = buildLibrary();
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
