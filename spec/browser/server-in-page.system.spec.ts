import { builtinModules } from 'node:module';
import { type Page, runWithLab } from './chromium-lab.js';
import { createBundle } from './create-bundle.js';
import type { ServerCalls } from './server-page.js';

let page: Page<ServerCalls>;
runWithLab<ServerCalls>(async (opened) => {
  page = await (await opened.browser()).page();
}, 'server-page.ts');

describe('a server in a page', () => {
  it('syncs two devices of the same page', async () => {
    expect(await page.call('sync', 'Buy milk')).toEqual(['Buy milk']);
  });

  it('keeps its data in IndexedDB under the name of its storage', async () => {
    expect(await page.call('keep', 'server', 'Bake bread')).toEqual(['Bake bread']);
  });

  it('rejects what needs Node, with an error that has the alternative', async () => {
    expect(await page.call('needNode')).toEqual([
      expect.stringMatching(/^InvalidStateError: server\.listen needs Node.*server\.wire/),
      expect.stringMatching(/^InvalidStateError: server\.backup needs Node/),
    ]);
  });

  it('checks tokens', async () => {
    expect(await page.call('rejectToken')).toMatch(/^TokenRejectedError/);
  });

  it('leaves no error unhandled', () => expect(page.errors).toEqual([]));

  it('needs no module of Node, and no code of ports, files and metrics', async () => {
    const { metafile } = await createBundle(`export * from '../../lib/server/index.js';`);
    const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
    expect(imports.filter(({ path }) => path.startsWith('node:') || builtinModules.includes(path))).toEqual([]);
    const unwanted =
      /websocket-listener|backup\/backup\.js|backup-file|prom-client|storage\/level|client-address|\/server\/node\/|\/server\/inspector\//;
    expect(Object.keys(metafile.inputs).filter((file) => unwanted.test(file))).toEqual([]);
  });
});
