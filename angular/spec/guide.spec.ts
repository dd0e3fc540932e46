import { bread, milk } from './realm-world.js';
import { until } from './until.js';
import { readGuidePrograms } from '../../spec/angular/guide-programs.js';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrapApplication } from '@angular/platform-browser';
import {
  mergeApplicationConfig,
  provideZonelessChangeDetection,
  type ApplicationConfig,
  type Type,
} from '@angular/core';
import { createSyncClient, memoryStorage, openRealm } from 'tidemark';
import { allowAnyone, createSyncServer } from 'tidemark/server';

const here = dirname(fileURLToPath(import.meta.url));
const programs = readGuidePrograms(join(here, '..', '..'));
const folder = join(here, '.guide');
const data = mkdtempSync(join(tmpdir(), 'tidemark-guide-'));

/** Ends everything that the spec has opened, the latest first, also when it fails: otherwise Jest would not exit. */
const ends: (() => unknown)[] = [];

beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(async () => {
  for (const end of ends.reverse()) await end();
  for (const path of [folder, data]) rmSync(path, { recursive: true, force: true });
});

const load = (name: string): Promise<unknown> => import(`./.guide/${name}`);
const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

it('the programs of the guide compile with the published types, in a strict project', () => {
  expect(programs.map(({ name }) => name)).toEqual(['schema.ts', 'app.config.ts', 'app.ts', 'app.spec.ts']);
  for (const { name, text } of programs) write(name, text);
  // An app has the published types. They are those of the last build.
  const dist = '../../../dist';
  const compilerOptions = {
    ...{ module: 'ESNext', moduleResolution: 'Bundler', types: ['jest'], noUnusedLocals: true },
    paths: {
      tidemark: [`${dist}/index.d.ts`],
      'tidemark/angular': [`${dist}/angular/index.d.ts`],
      'tidemark/server': [`${dist}/server/index.d.ts`],
    },
  };
  write('tsconfig.json', JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }));
  const tsc = join(here, '..', '..', 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '-p', folder], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  expect(stdout).toBe('');
}, 130_000);

it('the app of the guide shows, adds and finishes tasks, and counts unsent changes', async () => {
  const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
  ends.push(() => server.close());
  const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
  for (const { name, text } of programs) {
    write(
      name,
      text.replace('localhost:8787', `127.0.0.1:${port}`).replace("storage: 'tasks'", `storage: '${data}/tasks'`),
    );
  }
  const { appConfig } = (await load('app.config')) as { appConfig: ApplicationConfig };
  const { App } = (await load('app')) as { App: Type<unknown> };
  document.body.innerHTML = '<app-root></app-root>';
  // The app of `ng new` has this line in Angular 20. It is the default since Angular 21.
  const generated: ApplicationConfig = { providers: [provideZonelessChangeDetection()] };
  const app = await bootstrapApplication(App, mergeApplicationConfig(generated, appConfig));
  ends.push(() => {
    app.destroy();
  });
  const shown = (): string => document.body.textContent.replaceAll(/\s+/g, ' ').trim();
  await until(() => shown() === 'connected, 0 changes are not on the server yet finished tasksNo tasks');

  const client = createSyncClient({ url: `ws://127.0.0.1:${port}` });
  ends.push(() => client.close());
  const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool' } } } as const;
  const other = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team-42' } });
  await other.write((tx) => [milk, bread].forEach((task) => tx.create('Task', task)));
  await until(() => shown().endsWith('finished tasksBuy milk'));

  const input = document.querySelector<HTMLInputElement>('input[placeholder]');
  if (!input) throw new Error('The guide has no field for a new task.');
  input.value = 'Adopt a cat';
  input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
  await until(() => other.objects('Task', { where: { title: 'Adopt a cat' } }).length === 1);
  await until(() => shown().endsWith('finished tasksAdopt a catBuy milk'));
  document.querySelector('button')?.click();
  await until(() => shown() === 'connected, 0 changes are not on the server yet finished tasksBuy milk');
  document.querySelector<HTMLInputElement>('input[type=checkbox]')?.click();
  await until(() => shown().endsWith('finished tasksAdopt a catBake bread'));
});
