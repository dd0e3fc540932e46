/* The package as it would be published, for those who try it as others would. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Packs a folder into another one: what npm says of the tarball, and where it is. */
export const packed = (root, folder) => {
  const said = execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', folder], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  const [tarball] = JSON.parse(said);
  return { ...tarball, place: join(folder, tarball.filename) };
};
