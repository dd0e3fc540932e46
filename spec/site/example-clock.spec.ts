/* A message channel of Node would keep the process of the specs alive. */
class Channel {
  readonly port1 = { onmessage: (): void => undefined };
  readonly port2 = { postMessage: (): void => queueMicrotask(() => this.port1.onmessage()) };
}
const before = globalThis.MessageChannel;
Object.assign(globalThis, { MessageChannel: Channel });
const { exampleSetInterval, exampleClearTimeout, exampleSetTimeout, startTime } =
  await import('../../site/playground/example-clock.js');
Object.assign(globalThis, { MessageChannel: before });

describe('the time of the examples', () => {
  it('goes on when a timer throws, and reports the error', async () => {
    const reported: unknown[] = [];
    const report = console.error;
    console.error = (error) => reported.push(error);
    const ran: string[] = [];
    const time = startTime();
    exampleSetTimeout(() => {
      throw new Error('broken');
    }, 10);
    const interval = exampleSetInterval(() => ran.push('again'), 20);
    exampleSetTimeout(() => exampleClearTimeout(interval), 50);
    await time.pass(1_000, 10);
    time.end();
    console.error = report;
    expect(ran).toEqual(['again', 'again']);
    expect(reported).toEqual([new Error('broken')]);
  });

  it('is that of the latest example: an earlier one, which is still closing, cannot end, release or pass it', async () => {
    const earlier = startTime();
    const time = startTime();
    const ran: string[] = [];
    exampleSetTimeout(() => ran.push('timer'), 500);
    const passed = time.pass(1_000, 10);
    void earlier.pass(1, 1).then(() => ran.push('passed by the earlier one'));
    earlier.release();
    earlier.end();
    await passed;
    time.end();
    expect(ran).toEqual(['timer']);
  });
});
