import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { createSyncClient, memoryStorage, openRealm } from 'tidemark';
import { allowAnyone, createSyncServer, type SyncServer } from 'tidemark/server';
import ts from 'typescript';
import { openBrowser, type OwnBrowser } from '../browser/start-chromium.js';
import { checkDocstrings } from '../docstring-rules.js';
import { createGuideApp, type GuideApp } from './guide-app.js';
import { msMax, runCommand } from './run-command.js';
import { serveFolder } from './serve-folder.js';

/* The bindings have packages of their own, which the build installs, and specs of their own in angular/spec. */
const root = process.cwd();
const folder = join(root, 'angular');

beforeAll(() => runCommand(root, 'npm', 'run', 'build'), msMax);

describe('the Angular bindings', () => {
  it(
    'compile, with their specs',
    () => {
      expect(runCommand(folder, process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '--noEmit')).toBe(
        '\n',
      );
    },
    msMax,
  );

  it(
    'pass their specs: signals, zone.js, server-side rendering, and the guide word for word',
    () => {
      const output = runCommand(folder, 'npm', 'test');
      expect(output).toMatch(/^Test Suites: (\d+) passed, \1 total$/m);
      expect(output).toMatch(/^Tests: +(\d+) passed, \1 total$/m);
      for (const name of ['resources', 'session', 'zone', 'ssr.node', 'guide', 'guide-test']) {
        expect(output).toMatch(new RegExp(`^PASS \\w+ spec/${name}\\.spec\\.ts`, 'm'));
      }
    },
    msMax,
  );

  it('have docstrings that say what functions take and return', () => {
    const { config } = ts.readConfigFile(join(folder, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
      config: unknown;
    };
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, folder);
    const entryPoint = join(folder, 'lib', 'index.ts');
    // A signal is a function by its type, and a property by its use.
    const isOfSignal = (finding: string): boolean =>
      /^RealmResource\.(value|status|error|isLoading) has no @returns$/.test(finding);
    const findings = checkDocstrings(ts.createProgram([entryPoint], options), entryPoint);
    expect(findings.filter((finding) => !isOfSignal(finding))).toEqual([]);
  }, 60_000);
});

const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } } } as const;

describe('the app of the Angular guide, built by ng build', () => {
  let app: GuideApp;
  let server: SyncServer;
  let port: number;
  let output: string;
  let site: Awaited<ReturnType<typeof serveFolder>>;
  let own: OwnBrowser | undefined;

  beforeAll(async () => {
    app = createGuideApp(root);
    server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
    ({ port } = await server.listen({ port: 0, host: 'localhost' }));
    output = app.build(port);
    const policy = `default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src ws://localhost:${port}`;
    site = await serveFolder(app.site, { 'content-security-policy': policy });
    own = await openBrowser();
  }, 3 * msMax);

  afterAll(async () => {
    await own?.close();
    await site.close();
    await server.close();
    app.remove();
  });

  const openPage = async (): Promise<{
    page: Page;
    errors: readonly string[];
    until: (text: RegExp) => Promise<void>;
  }> => {
    const page = await own!.browser.contexts()[0]!.newPage();
    const errors: string[] = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    await page.goto(site.url);
    const until = (text: RegExp) => page.locator('app-root', { hasText: text }).waitFor({ timeout: 20_000 });
    return { page, errors, until };
  };

  it('builds without warnings', () => {
    expect(output).toMatch(/Application bundle generation complete/);
    expect(output).not.toMatch(/warning/i);
  });

  it('contains nothing of the library that it does not import', () => {
    const code = readdirSync(app.site)
      .filter((name) => name.endsWith('.js'))
      .map((name) => readFileSync(join(app.site, name), 'utf8'))
      .join('\n');
    expect(code).toContain('tidemark.1'); // The client is in it.
    // One text of each part: the inspector, recordings, imports, the test kit, the server.
    const texts = {
      'inspector/inspector-element.js': 'tidemark-inspector',
      'session/recording/record.js': 'tidemark recording 1',
      'store/transfer/import.js': 'ImportError',
      'testing/marble-error.js': 'MarbleError',
      'server/browser/server-ports.js': 'needs Node',
    };
    for (const [file, text] of Object.entries(texts)) {
      expect(readFileSync(join(root, 'dist', file), 'utf8')).toContain(text);
      expect(code).not.toContain(text);
    }
  });

  it('shows, adds and finishes tasks under a strict content security policy, with no error on the console', async () => {
    const { page, errors, until } = await openPage();
    await until(/connected, 0 changes.*No tasks/s);
    const client = createSyncClient({ url: `ws://localhost:${port}` });
    const other = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team-42' } });
    await other.write((tx) => tx.create('Task', { id: 'milk', title: 'Buy milk', done: false }));
    await until(/Buy milk/);
    await page.getByPlaceholder('A new task').fill('Adopt a cat');
    await page.getByPlaceholder('A new task').press('Enter');
    await until(/Adopt a cat.*Buy milk/s);
    await page.getByRole('button', { name: 'Buy milk' }).click();
    await page.getByRole('checkbox', { name: 'finished tasks' }).check();
    await until(/connected, 0 changes.*Buy milk/s);
    expect(
      other
        .objects('Task')
        .map(({ title, done }) => [title, done])
        .sort(),
    ).toEqual([
      ['Adopt a cat', false],
      ['Buy milk', true],
    ]);
    expect(errors).toEqual([]);
    await client.close();
    await page.close();
  }, 60_000);

  it('keeps the tasks on the device, and shows them in a second tab', async () => {
    const [first, second] = [await openPage(), await openPage()];
    await first.until(/Adopt a cat/);
    await second.until(/Adopt a cat/);
    await first.page.getByPlaceholder('A new task').fill('Call Anna');
    await first.page.getByPlaceholder('A new task').press('Enter');
    await second.until(/Call Anna/);
    expect([...first.errors, ...second.errors]).toEqual([]);
    await first.page.close();
    await second.page.close();
  }, 60_000);
});
