/* Says which of the programs that `npm run test:system` needs are missing, and how to install them. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const onPath = (name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
const chromium = process.env.CHROMIUM;

/** Each program, the paths at which the specs look for it, and its Debian package. */
const programs = [
  {
    name: 'Chromium',
    paths: chromium ? [chromium] : ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
    debianPackage: 'chromium',
    use: 'the specs of browsers',
  },
  { name: 'nginx', paths: ['/usr/sbin/nginx'], debianPackage: 'nginx-light', use: 'the specs of hosting' },
  { name: 'OpenSSL', paths: onPath('openssl'), debianPackage: 'openssl', use: 'the specs of hosting' },
];

const missing = programs.filter(({ paths }) => !paths.some((path) => existsSync(path)));
for (const { name, paths, debianPackage, use } of missing) {
  const searched = name === 'OpenSSL' ? 'PATH' : paths.join(', ');
  console.error(`Missing: ${name} (Debian package ${debianPackage}), for ${use}. The specs look in ${searched}.`);
}
if (missing.length > 0) {
  console.error(
    'Run `npm run setup:system`: it installs the missing Debian packages with apt-get, as root or with sudo. ' +
      'CHROMIUM=<path> names a Chromium that is elsewhere.',
  );
  process.exitCode = 1;
}
