/* Packs the package as it would be published, for scripts that test it as an app would. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Packs a folder into another one. Returns npm's description of the tarball, and its path as `path`. */
export const packLibrary = (root, folder) => {
  const output = execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', folder], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  const [tarball] = JSON.parse(output);
  return { ...tarball, path: join(folder, tarball.filename) };
};
