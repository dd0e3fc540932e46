import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { msMax, runCommand } from '../angular/run-command.js';
import { findAccessibilityFaults } from '../browser/axe.js';
import { parseExamples } from '../example-compiler.js';
import {
  contrastOf,
  findDeadLinks,
  findInlineCode,
  findOutsideResources,
  readPages,
  type SitePage,
} from './built-site.js';
import { openSite, type SiteBrowser, strictPolicy } from './site-browser.js';

/* `npm run docs` installs the packages of site/, and builds the site to site/dist. */
const root = process.cwd();
const folder = join(root, 'site', 'dist');
const stepMs = 20_000;

/** Blocks of code, whose colours have a check of their own: each block has hundreds of elements. */
const code = 'pre';

let pages: readonly SitePage[];
let site: SiteBrowser;
let page: Page;

beforeAll(async () => {
  runCommand(root, 'npm', 'run', 'docs');
  pages = readPages(folder);
  site = await openSite(folder);
  ({ page } = site);
  // Examples run without the pauses for the eye.
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme: 'light' });
}, msMax);

afterAll(() => site.close());

/** Opens a page of the site, and waits until its buttons and keys work. */
const openPath = async (path: string): Promise<void> => {
  await page.goto(site.url + path);
  await page.waitForFunction(() => '__vue_app__' in (document.querySelector('#app') ?? {}));
};

/** Waits until the example has run. */
const finished = (): Promise<void> =>
  page.locator('.playground-text', { hasText: 'The example has run' }).waitFor({ timeout: stepMs });

const outputOf = (example: Locator): Promise<string[]> => example.locator('.example-output > div').allInnerTexts();

describe('the files of the site', () => {
  it('have the guides, the API reference and the pages of the project', () => {
    const paths = pages.map(({ path }) => path);
    const names = ['start', 'data', 'offline', 'sync-state', 'coming-from-realm', 'angular', 'protocol', 'glossary'];
    expect(paths).toEqual(expect.arrayContaining(names.map((name) => `/${name}.html`)));
    for (const entryPoint of [
      'tidemark',
      'tidemark/angular',
      'tidemark/inspector',
      'tidemark/server',
      'tidemark/testing',
    ])
      expect(paths).toContain(`/api/${entryPoint}/index.html`);
    expect(paths).toContain('/api/tidemark/functions/openRealm.html');
  });

  it('come from sources that the compiler accepts', () => {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    expect(runCommand(root, process.execPath, compiler, '-p', 'site/tsconfig.json').trim()).toBe('');
  }, 60_000);

  it('have only links that lead to a page and to a heading of it', () => {
    expect(findDeadLinks(folder, pages)).toEqual([]);
  });

  it('load nothing from elsewhere, and have no scripts and styles in the pages', () => {
    expect(findOutsideResources(pages)).toEqual([]);
    expect(findInlineCode(pages)).toEqual([]);
    expect(readFileSync('site/README.md', 'utf8')).toContain(`content-security-policy: ${strictPolicy}\n`);
  });

  it('highlight code in colours with enough contrast', () => {
    const sheet = readFileSync(join(folder, 'assets', 'highlight.css'), 'utf8');
    const style = readFileSync(join(root, 'site/.vitepress/theme/style.css'), 'utf8');
    const [light = '', dark = ''] = [...style.matchAll(/--vp-code-block-bg: (#\w{6});/g)].map(
      ([, color = '']) => color,
    );
    const colors = (name: string) => [...sheet.matchAll(new RegExp(`--shiki-${name}:(#\\w{6})`, 'g'))];
    expect(colors('light').length).toBeGreaterThan(5);
    expect(colors('light').filter(([, color = '']) => contrastOf(color, light) < 4.5)).toEqual([]);
    expect(colors('dark').filter(([, color = '']) => contrastOf(color, dark) < 4.5)).toEqual([]);
  });
});

describe('a reader of the site', () => {
  it('finds a page by the keyboard alone', async () => {
    await openPath('/index.html');
    await page.keyboard.press('Control+k');
    await page.getByRole('searchbox').waitFor();
    await page.keyboard.type('closing with unsent changes');
    await page.locator('.results a', { hasText: 'Closing with unsent changes' }).first().waitFor({ timeout: stepMs });
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/sync-state\.html#closing-with-unsent-changes$/);
    await page.getByRole('heading', { name: 'Closing with unsent changes' }).waitFor();
  }, 60_000);

  it('runs an example by the keyboard, switches the network off, and sees that in the diagram', async () => {
    await openPath('/sync-state.html');
    const [first, second] = [page.locator('.example').nth(0), page.locator('.example').nth(1)];
    await first.getByRole('button', { name: 'Run' }).focus();
    await page.keyboard.press('Enter');
    await finished();
    expect(await outputOf(first)).toEqual(["['paused', 'disconnected']", "'active'"]);
    expect(await outputOf(second)).toEqual([]);
    // The next block continues the same program.
    await second.getByRole('button', { name: 'Run to here' }).press('Enter');
    await second.locator('.example-output > div').nth(1).waitFor();
    expect(await outputOf(second)).toEqual(['1', "['active', 0]"]);
    expect(await outputOf(first)).toHaveLength(2);

    const diagram = page.locator('tidemark-inspector');
    const network = page.getByRole('switch', { name: 'Network' });
    await diagram.getByText('connected', { exact: true }).first().waitFor();
    await network.press('Space');
    await diagram.getByText('disconnected', { exact: true }).first().waitFor({ timeout: stepMs });
    await diagram.getByText(/Not connected: the connection broke/).waitFor();
    expect(await findAccessibilityFaults(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await findAccessibilityFaults(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'light' });
    await network.press('Space');
    await diagram.getByText('connected', { exact: true }).first().waitFor({ timeout: stepMs });
    await page.getByRole('button', { name: 'Stop', exact: true }).press('Enter');
    await diagram.waitFor({ state: 'detached' });
  }, 120_000);

  it('runs the programs of the README', async () => {
    await openPath('/start.html');
    const examples = page.locator('.example');
    expect(await examples.count()).toBe(2);
    for (const index of [0, 1]) {
      const example = examples.nth(index);
      await example.locator('.example-run').press('Enter');
      await example.locator('.example-output').getByText("'0 changes are not on the server yet'").first().waitFor();
      await finished();
      expect(await page.locator('.example-output .error').count()).toBe(0);
    }
  }, 60_000);

  it('uses the page of the offline guide', async () => {
    await openPath('/offline.html');
    await page.locator('.example-run').last().press('Enter');
    await finished();
    const shown = page.locator('.playground-page');
    await shown.locator('input').fill('Buy milk');
    await shown.getByRole('button', { name: 'Add' }).press('Enter');
    await shown.locator('li', { hasText: 'Buy milk' }).waitFor();
    await shown.getByText('connected, 0 not on the server yet').waitFor();
    expect(await findAccessibilityFaults(page, [code])).toEqual([]);
  }, 60_000);

  it('sees the error of an example that fails', async () => {
    const address = '**/playground/tools.js';
    await page.route(address, async (route) => {
      const text = await (await route.fetch()).text();
      await route.fulfill({ contentType: 'text/javascript', body: text.replaceAll('title:"Milk"', 'title:5') });
    });
    await openPath('/tools.html');
    await page.locator('.example-run').first().press('Enter');
    await finished();
    await page.unroute(address);
    expect(await outputOf(page.locator('.example').first())).toEqual([
      'SchemaError: Task["milk"].title must be a string, received 5.',
    ]);
  }, 60_000);

  it('sees that an example could not be loaded, and runs it again', async () => {
    const second = await page.context().newPage(); // The browser logs the failed request.
    await second.route('**/playground/tools.js', (route) => route.abort(), { times: 1 });
    await second.goto(`${site.url}/tools.html`);
    const panel = second.locator('.playground-text');
    await second.locator('.example-run').first().press('Enter');
    await panel.getByText('The example could not be loaded.').waitFor({ timeout: stepMs });
    await second.locator('.example-run').first().press('Enter');
    await panel.getByText('The example has run').waitFor({ timeout: stepMs });
    await second.close();
  }, 60_000);

  it('sees all output of an example on a phone, above the playground', async () => {
    const size = page.viewportSize()!;
    await page.setViewportSize({ width: 375, height: 740 });
    await openPath('/connection.html');
    await page.locator('.example-run').last().press('Enter');
    await finished();
    const line = await page.locator('.example-output > div').last().boundingBox();
    const panel = await page.locator('.playground').boundingBox();
    expect(line!.y + line!.height).toBeLessThanOrEqual(panel!.y);
    await page.setViewportSize(size);
  }, 60_000);

  it.each([
    ...['coming-from-realm', 'connection', 'data', 'errors', 'progress', 'subscriptions', 'sync-state', 'testing'],
    ...['tokens', 'tools', 'waiting'],
  ])(
    'gets the values that the comments of %s have',
    async (name) => {
      await openPath(`/${name}.html`);
      await page.locator('.example-run').last().press('Enter');
      await finished();
      const [example] = parseExamples(name, readFileSync(join(root, 'docs', `${name}.md`), 'utf8'));
      const expected = [...example!.text.matchAll(/^ *console\.log\(.*\); \/\/ (.*)$/gm)].map(([, value]) => value);
      expect(await outputOf(page.locator('.vp-doc'))).toEqual(expected);
      expect(expected.length).toBeGreaterThan(1);
    },
    60_000,
  );
});

/** Puts the contents of many pages of the reference into the page that is open. */
const showTogether = (paths: readonly string[]): Promise<void> =>
  page.evaluate(async (addresses) => {
    const texts = await Promise.all(addresses.map(async (address) => (await fetch(address)).text()));
    const contents = texts.flatMap((text) => [
      ...(new DOMParser().parseFromString(text, 'text/html').querySelector('.vp-doc')?.children ?? []),
    ]);
    document.querySelector('.vp-doc')?.replaceChildren(...contents);
  }, paths);

const findFaultsInBothColors = async (exclude: readonly string[]): Promise<readonly string[]> => {
  const light = await findAccessibilityFaults(page, exclude);
  await page.emulateMedia({ colorScheme: 'dark' });
  // Nothing but the colours is different.
  const dark = await findAccessibilityFaults(page, exclude, ['color-contrast']);
  await page.emulateMedia({ colorScheme: 'light' });
  return [...light, ...dark];
};

describe('the accessibility of the site', () => {
  it('has no serious fault in any guide, in light and dark', async () => {
    const guides = pages.filter(({ path }) => !path.startsWith('/api/'));
    expect(guides.length).toBeGreaterThan(30);
    for (const { path } of guides) {
      await openPath(path);
      // The sidebar is the same on all of them.
      const excluded = path === '/start.html' ? [code] : [code, '.VPSidebar'];
      expect([path, ...(await findFaultsInBothColors(excluded))]).toEqual([path]);
    }
  }, 240_000);

  it('has no serious fault in any page of the API reference, in light and dark', async () => {
    const paths = pages.map(({ path }) => path).filter((path) => path.startsWith('/api/'));
    expect(paths.length).toBeGreaterThan(200);
    await openPath('/api/tidemark/functions/openRealm.html');
    expect(await findFaultsInBothColors([])).toEqual([]);
    // One page with the contents of many: their headers and sidebars are the same.
    for (let first = 0; first < paths.length; first += 40) {
      await showTogether(paths.slice(first, first + 40));
      expect(await findFaultsInBothColors([code, '.VPSidebar'])).toEqual([]);
    }
  }, 240_000);
});

if (process.env['IMAGES'] !== undefined) {
  it('shows a session in pictures of both colours', async () => {
    await page.setViewportSize({ width: 1280, height: 860 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ reducedMotion: 'no-preference', colorScheme });
      await openPath('/waiting.html');
      await page.locator('.example-run').nth(3).press('Enter');
      await finished();
      await page.evaluate(() => (document.activeElement as HTMLElement).blur());
      await page.screenshot({ path: `docs/images/site-${colorScheme}.png` });
    }
  }, 120_000);
}

describe('the pages of the site', () => {
  it('have logged no error, and requested nothing from elsewhere', () => {
    expect(site.complaints).toEqual([]);
  });
});
