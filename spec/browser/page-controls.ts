import type { Page as Opened } from 'playwright-core';

/** The path of a page without a script. */
export const leftPath = '/left';

/**
 * Events in the life of a page, which its browser or its user causes. All pages are visible until they are hidden,
 * whichever of them is in front. A crashed page answers nothing, so nothing of it may be awaited.
 */
export interface PageControls {
  /** Ends the renderer of the page, without any event. */
  readonly crash: () => Promise<void>;
  /** Hides the page and stops its tasks. Functions of a frozen page can be called, but their promises do not settle. */
  readonly freeze: () => Promise<void>;
  /** Lets a frozen page continue, which stays hidden. */
  readonly resume: () => Promise<void>;
  readonly hide: () => Promise<void>;
  readonly show: () => Promise<void>;
  readonly close: () => Promise<void>;
  /** Navigates to a page without a script. */
  readonly leave: () => Promise<void>;
  /** Navigates back after `leave`. Returns whether the same page came back, with its memory. */
  readonly back: () => Promise<boolean>;
}

const waitMsMax = 10_000;

/** Waits for an expression to be true. Asks from outside, because timers and frames of a hidden page may not run. */
export const waitInPage = async (opened: Opened, expression: string): Promise<void> => {
  for (const ends = Date.now() + waitMsMax; Date.now() < ends;) {
    if ((await opened.evaluate(`Promise.resolve(${expression}).then(Boolean)`)) === true) return;
  }
  throw new Error(`The page never had: ${expression}`);
};

/** Notes in each document whether it is frozen. */
const noteFreezing = `
  document.addEventListener('freeze', () => (globalThis.isFrozen = true), true);
  document.addEventListener('resume', () => (globalThis.isFrozen = false), true);
`;

const covers = new WeakMap<object, Promise<Opened>>();

/** Brings a tab to the front that hides all tabs without an emulated focus. */
const coverTabs = async (opened: Opened): Promise<void> => {
  const context = opened.context();
  const cover = covers.get(context) ?? context.newPage();
  covers.set(context, cover);
  await (await cover).bringToFront();
};

export const createPageControls = async (opened: Opened): Promise<PageControls> => {
  const devtools = await opened.context().newCDPSession(opened);
  await opened.addInitScript(noteFreezing);
  const emulateFocus = (enabled: boolean): Promise<unknown> =>
    devtools.send('Emulation.setFocusEmulationEnabled', { enabled });
  const hide = async (): Promise<void> => {
    await coverTabs(opened);
    await emulateFocus(false);
    await waitInPage(opened, `document.visibilityState === 'hidden'`);
  };
  await emulateFocus(true);
  return {
    crash: async () => {
      const crashed = opened.waitForEvent('crash');
      devtools.send('Page.crash').catch(() => undefined); // Never answered.
      await crashed;
    },
    freeze: async () => {
      await hide();
      await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
      await waitInPage(opened, 'globalThis.isFrozen');
    },
    resume: async () => {
      await devtools.send('Page.setWebLifecycleState', { state: 'active' });
      await waitInPage(opened, '!globalThis.isFrozen');
    },
    hide,
    show: async () => {
      await emulateFocus(true);
      await waitInPage(opened, `document.visibilityState === 'visible'`);
    },
    close: () => opened.close(),
    leave: async () => {
      await opened.evaluate('globalThis.isLeft = true');
      await opened.goto(new URL(leftPath, opened.url()).href);
    },
    back: async () => {
      await opened.goBack({ waitUntil: 'commit' });
      await waitInPage(opened, 'globalThis.calls');
      return (await opened.evaluate('globalThis.isLeft')) === true;
    },
  };
};
