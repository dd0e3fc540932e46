/*
 * Runs test files of a project with Jasmine as Karma would run them: bundled for a browser with the packages of that
 * project, between jasmine-core's own boot files, on a page of http://localhost, in a headless Chromium.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

/** Paths of Chromium, the same as in spec/browser/chromium-lab.ts. */
const executablePaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const flags = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'];
/** Milliseconds for the start of a browser, which sometimes never succeeds on a busy machine, and for the tests. */
const startMs = 15_000;
const startsMax = 3;
const runMs = 60_000;

const findChromium = () => {
  const configured = process.env.CHROMIUM;
  const found = (configured ? [configured] : executablePaths).find((path) => existsSync(path));
  if (found) return found;
  throw new Error(
    'consumers: Chromium was not found. Install it with apt-get install chromium, or set CHROMIUM=<path>.',
  );
};

const launchBrowser = async (left = startsMax - 1) => {
  try {
    return await chromium.launch({ executablePath: findChromium(), args: flags, timeout: startMs });
  } catch (thrown) {
    if (left === 0) throw thrown;
    return launchBrowser(left - 1);
  }
};

const bundleTests = async (folder, files) => {
  const { outputFiles } = await build({
    stdin: { contents: files.map((file) => `import './${file}';`).join('\n'), resolveDir: folder },
    ...{ absWorkingDir: folder, bundle: true, platform: 'browser', format: 'esm', write: false, logLevel: 'silent' },
  });
  return outputFiles[0].text;
};

/** Records the result of each test, in addition to the reporter of the boot files. */
const reporter = `
  const tests = [];
  jasmine.getEnv().addReporter({
    specDone: ({ fullName, status, failedExpectations }) =>
      tests.push({ fullName, status, complaints: failedExpectations.map(({ message }) => message) }),
    jasmineDone: ({ overallStatus }) => (globalThis.outcome = { overallStatus, tests }),
  });
`;
const boots = ['jasmine.js', 'jasmine-html.js', 'boot0.js', 'reporter.js', 'boot1.js'];
const html = `<!doctype html><meta charset="utf-8">
${boots.map((file) => `<script src="/${file}"></script>`).join('\n')}
<script type="module" src="/tests.js"></script>`;

const servePage = async (folder, tests) => {
  const core = join(folder, 'node_modules', 'jasmine-core', 'lib', 'jasmine-core');
  const pages = new Map([
    ...boots
      .filter((file) => file !== 'reporter.js')
      .map((file) => [`/${file}`, readFileSync(join(core, file), 'utf8')]),
    ...[
      ['/reporter.js', reporter],
      ['/tests.js', tests],
      ['/favicon.ico', ''],
    ],
  ]);
  const server = createServer(({ url }, response) => {
    response.setHeader('content-type', pages.has(url) ? 'text/javascript; charset=utf-8' : 'text/html');
    response.end(pages.get(url) ?? html);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
};

/**
 * Runs test files of a project. Resolves with the version of the browser, the overall result and the result of each
 * test. Rejects when the page reports an error of its own.
 */
export const runInChromium = async (folder, files) => {
  const server = await servePage(folder, await bundleTests(folder, files));
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const pageErrors = [];
    page.on('pageerror', (error) => pageErrors.push(String(error)));
    await page.goto(`http://localhost:${server.address().port}/`);
    const outcome = await page.waitForFunction(() => globalThis.outcome, undefined, { timeout: runMs });
    if (pageErrors.length > 0) throw new Error(`consumers: the page reported errors:\n${pageErrors.join('\n')}`);
    return { version: browser.version().split('.')[0], ...(await outcome.jsonValue()) };
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
};
