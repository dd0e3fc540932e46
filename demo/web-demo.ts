/*
 * npm run demo -- --web: builds the task board of demo/web when it has changed, starts a server that keeps its data in
 * memory, serves the page, and opens it in the browser. Ends at Ctrl+C.
 *
 *   --port 8791   another port than 8790
 *   --no-open     opens no browser
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { allowAnyone, createSyncServer, type Permit } from 'tidemark/server';
import { memoryStorage } from 'tidemark';
import { buildWebApp, WebAppError } from './build-web-app.js';
import { addSampleTasks, realmName } from './sample-tasks.js';
import { createFileHandler } from './serve-files.js';

const host = '127.0.0.1';
const root = join(import.meta.dirname, '..', '..');

const fail = (message: string, code = 1): never => {
  console.error(`demo: ${message}`);
  process.exit(code);
};

const readOptions = () => {
  try {
    return parseArgs({
      options: {
        web: { type: 'boolean' },
        port: { type: 'string', default: '8790' },
        'no-open': { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error), 2);
  }
};

const options = readOptions();
const port = Number(options.port);
if (!Number.isInteger(port) || port < 0 || port > 65_535)
  fail(`--port must be a whole number from 0 to 65535, received ${options.port}.`, 2);

/** A rule of the server, so that the board has rejected writes to show. */
const titleCharsMax = 80;
const permit: Permit = (_user, _realm, { after }) => {
  const title = after?.['title'];
  return typeof title === 'string' && title.length > titleCharsMax
    ? `A title has at most ${titleCharsMax} characters.`
    : true;
};

const openBrowser = (url: string): void => {
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  const isShown = process.platform !== 'linux' || Boolean(DISPLAY ?? WAYLAND_DISPLAY);
  if (options['no-open'] || !isShown) return;
  const [command, ...args] = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] }[process.platform as string] ?? [
    'xdg-open',
  ];
  // Without a program that opens pages, the printed address is enough.
  spawn(command ?? 'xdg-open', [...args, url], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
};

let folder = '';
try {
  folder = await buildWebApp(root);
} catch (error) {
  if (!(error instanceof WebAppError)) throw error;
  fail(error.message);
}

const server = createSyncServer({
  storage: memoryStorage(),
  authenticate: allowAnyone,
  authorize: (_user, realm) => (realm === realmName ? 'write' : 'none'),
  permit,
});
await addSampleTasks(server);

const site = createServer(createFileHandler(folder));
await server.attach(site, { path: '/sync' });
site.once('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EADDRINUSE') throw error;
  fail(`Port ${port} is in use. Choose another one: npm run demo -- --web --port ${port + 1}`);
});
site.listen(port, host, () => {
  const address = site.address();
  const url = `http://${host}:${typeof address === 'object' && address ? address.port : port}/`;
  console.log(`The task board is at ${url}`);
  console.log('The server keeps its data in memory. Press Ctrl+C to end it.');
  openBrowser(url);
});

const end = (): void => {
  site.close();
  void server.close().then(() => process.exit(0));
};
process.once('SIGINT', end);
process.once('SIGTERM', end);
