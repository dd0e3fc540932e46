import type { Locator } from 'playwright-core';
import { type Page, runWithLab, strictPath } from '../browser/chromium-lab.js';
import type { InspectorCalls } from './inspector-page.js';

let page: Page<InspectorCalls>;
runWithLab<InspectorCalls>(async (lab) => {
  page = await (await lab.browser()).page(strictPath);
  await page.call('start', 720);
}, '../inspector/inspector-page.ts');

const part = (selector: string, hasText: string | RegExp = ''): Locator =>
  page.opened.locator(`tidemark-inspector ${selector}`, { hasText });

describe('an inspector and what it shows', () => {
  it('keeps eight sessions of many that end at once, and fits long names', async () => {
    await page.call('openOthers', 12);
    await part('option').nth(12).waitFor({ state: 'attached' });
    expect(await page.call('overflow')).toBe(0);
    await part('select').selectOption({ index: 12 });
    await part('summary', 'Numbers').click();
    await part('dt', 'replica').waitFor();
    await page.call('closeOthers');
    await part('.state', 'ended').waitFor();
    await part('dt', 'replica').waitFor({ state: 'detached' });
    expect(await part('option').count()).toBe(1 + 8 + 1); // The open one, eight, and the one that is shown.
  });

  it('lists three objects of a rejected write, and counts the others', async () => {
    await part('select').selectOption('team-42');
    await part('summary', /^Rejected/).click();
    await page.call('writeMany', 5, 'forbidden');
    await part(
      'li',
      /^version 1 not-permitted: Task many-0: This [^;]*; [^;]*; Task many-2: [^;]*; 2 more objects /,
    ).waitFor();
  });

  it('is not mounted for anything but a client, and not in anything but an element', async () => {
    const [nothing, record, noParent, text, property, mounted] = await page.call('mountWrongly');
    for (const message of [nothing, record, property])
      expect(message).toMatch(/^InvalidArgumentError: client must be a client made by createSyncClient, received /);
    for (const message of [noParent, text])
      expect(message).toMatch(/^InvalidArgumentError: parent must be an element, received /);
    expect(mounted).toBe('0');
  });

  it('shows a client that was set early, keeps its styles in another document, and can show none', async () => {
    expect(await page.call('moveEarly')).toEqual({ shown: 'team-42', display: 'flex', left: 0 });
    expect(page.errors).toEqual([]);
  });
});
