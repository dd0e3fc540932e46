import { platformNudges } from '../../lib/client/nudges.js';

describe('what the platform says', () => {
  it('R10 counts as a nudge when it is `online`, and stops when nobody listens', () => {
    const page = new EventTarget();
    Object.assign(globalThis, {
      addEventListener: page.addEventListener.bind(page),
      removeEventListener: page.removeEventListener.bind(page),
    });
    try {
      let heard = 0;
      const listening = platformNudges().subscribe(() => (heard += 1));
      page.dispatchEvent(new Event('online'));
      page.dispatchEvent(new Event('offline'));
      listening.unsubscribe();
      page.dispatchEvent(new Event('online'));
      expect(heard).toBe(1);
    } finally {
      Reflect.deleteProperty(globalThis, 'addEventListener');
      Reflect.deleteProperty(globalThis, 'removeEventListener');
    }
  });

  it('is nothing where there is no platform to say it: absent, not faked', () => {
    let completed = false;
    platformNudges().subscribe({ complete: () => (completed = true) });
    expect(completed).toBe(true);
  });
});
