import type { Page } from 'playwright-core';
import { serveFolder } from '../angular/serve-folder.js';
import { openBrowser } from '../browser/start-chromium.js';

/** The policy that site/README.md advises: nothing inline, no `eval`, nothing from elsewhere. */
export const strictPolicy = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "font-src 'self'"],
  ...["connect-src 'self'", "base-uri 'none'", "form-action 'self'"],
].join('; ');

/** A browser on a site. */
export interface SiteBrowser {
  readonly page: Page;
  readonly url: string;
  /** Errors on the console and in the page, and requests to other origins. */
  readonly complaints: readonly string[];
  readonly close: () => Promise<void>;
}

/** Serves a folder under the strict policy, and opens a page of a new browser. */
export const openSite = async (folder: string): Promise<SiteBrowser> => {
  const site = await serveFolder(folder, { 'content-security-policy': strictPolicy });
  const { browser, close } = await openBrowser();
  const page = await browser.contexts()[0]!.newPage();
  await page.setViewportSize({ width: 1440, height: 900 });
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(`${page.url()} throws ${message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${page.url()} logs ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(site.url) && !request.url().startsWith('data:'))
      complaints.push(`${page.url()} requests ${request.url()}`);
  });
  return {
    page,
    url: site.url.replace(/\/$/, ''),
    complaints,
    close: async () => {
      await close();
      await site.close();
    },
  };
};
