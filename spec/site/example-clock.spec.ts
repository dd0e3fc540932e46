/* A message channel of Node would keep the process of the specs alive. */
class Channel {
  readonly port1 = { onmessage: (): void => undefined };
  readonly port2 = { postMessage: (): void => queueMicrotask(() => this.port1.onmessage()) };
}
const before = globalThis.MessageChannel;
Object.assign(globalThis, { MessageChannel: Channel });
const { endTime, exampleSetInterval, exampleClearTimeout, exampleSetTimeout, passTime, startTime } =
  await import('../../site/playground/example-clock.js');
Object.assign(globalThis, { MessageChannel: before });

describe('the time of the examples', () => {
  it('goes on when a timer throws, and reports the error', async () => {
    const reported: unknown[] = [];
    const report = console.error;
    console.error = (error) => reported.push(error);
    const ran: string[] = [];
    startTime();
    exampleSetTimeout(() => {
      throw new Error('broken');
    }, 10);
    const interval = exampleSetInterval(() => ran.push('again'), 20);
    exampleSetTimeout(() => exampleClearTimeout(interval), 50);
    await passTime(1_000, 10);
    endTime();
    console.error = report;
    expect(ran).toEqual(['again', 'again']);
    expect(reported).toEqual([new Error('broken')]);
  });
});
