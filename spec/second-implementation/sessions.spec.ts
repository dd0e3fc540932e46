import { SecondDevice, TidemarkDevice } from './devices.js';
import { createChanges, closeAll, receivedBy, createServer, settleDevices, start, createChange } from './test-kit.js';

describe('a second implementation', () => {
  it('field report E-11: receives rejections, and shows the server state of the objects instead', async () => {
    const server = createServer({ permit: (_, __, { after }) => after?.['title'] !== 'dear' || 'too dear' });
    const [second, first] = [new SecondDevice(server, () => start), await TidemarkDevice.open(server, () => start)];
    second.connect();
    await first.write([createChange('create', 0, 'cheap'), createChange('insert', 0, 'a', 'b')]);
    await settleDevices(first, second);
    second.disconnect();
    await second.write([createChange('tag', 0, 'before')]);
    await second.write([createChange('title', 0, 'dear'), createChange('insert', 0, 'c')]);
    await second.write([createChange('tag', 0, 'after')]);
    second.connect();
    await settleDevices(second, first);
    expect(second.replica.rejected).toEqual([{ version: 2, code: 'not-permitted', reasons: ['too dear'] }]);
    expect(second.contents()).toEqual(first.contents());
    expect(second.contents()).toMatchObject([{ title: 'cheap', items: ['a', 'b'], tags: ['after', 'before'] }]);
    await closeAll(server, second, first);
  });

  it('field report E-11: continues as another replica when its data is a copy, and loses nothing', async () => {
    const server = createServer();
    const first = await TidemarkDevice.open(server, () => start);
    const original = new SecondDevice(server, () => start);
    original.connect();
    await original.write([createChange('create', 0, 'x'), createChange('insert', 0, 'a', 'b')]);
    await settleDevices(original);
    const copy = new SecondDevice(server, () => start, original.replica.copy());
    await original.write([createChange('insert', 0, 'original'), createChange('move', 0), createChange('add', 0)]);
    await copy.write([
      createChange('insert', 0, 'copy'),
      createChange('move', 0),
      createChange('replace', 0, 'replaced'),
      createChange('add', 0),
    ]);
    await copy.write([createChange('insert', 0, 'more'), createChange('remove', 0)]);
    await settleDevices(original);
    original.disconnect();
    copy.connect();
    await settleDevices(copy);
    original.connect();
    await settleDevices(copy, original, first);
    expect(receivedBy(copy, 'copied')).toHaveLength(1);
    expect(copy.replica.id).not.toBe(original.replica.id);
    expect(copy.contents()).toEqual(original.contents());
    expect(first.contents()).toEqual(original.contents());
    expect(first.contents()).toMatchObject([{ votes: -4 }]);
    await closeAll(server, copy, original, first);
  });

  it('field report E-11: sends changes without an answer again, and none of them counts twice', async () => {
    const server = createServer();
    const [second, first] = [new SecondDevice(server, () => start), await TidemarkDevice.open(server, () => start)];
    await second.write([createChange('create', 0, 'x'), createChange('insert', 0, 'a'), createChange('add', 0)]);
    for (const connection of createChanges(11, 12)) {
      second.connect();
      await second.session!.until(() => second.session!.bound !== null);
      // The changes are uploaded, and the connection is cut before the answer.
      await second.write([...connection, createChange('create', 0, 'x'), createChange('add', 0)]);
      second.disconnect();
    }
    second.connect();
    await settleDevices(second, first);
    expect(second.replica.written).toBe(13);
    expect(first.contents()).toEqual(second.contents());
    await closeAll(server, second, first);
  });

  it('field report E-11: corrects a clock that is a year ahead by that of the server', async () => {
    const year = 365 * 24 * 60 * 60 * 1000;
    const server = createServer();
    const [second, first] = [
      new SecondDevice(server, () => start + year),
      await TidemarkDevice.open(server, () => start),
    ];
    await second.write([
      createChange('create', 0, 'x'),
      createChange('insert', 0, 'a', 'b', 'c'),
      createChange('add', 0),
    ]);
    await second.write([
      createChange('move', 0),
      createChange('replace', 0, 'd'),
      createChange('add', 0),
      createChange('title', 0, 'ahead'),
    ]);
    second.connect();
    await settleDevices(second, first);
    expect(first.contents()).toEqual(second.contents());
    await first.write([createChange('title', 0, 'later')]);
    await settleDevices(first, second);
    expect(second.contents()).toMatchObject([{ title: 'later', votes: -4, items: ['d', 'a', 'c'] }]);
    await closeAll(server, second, first);
  });

  it('field report E-11: is reset for a server with another history, and keeps its unsent changes', async () => {
    const [before, server] = [createServer(), createServer()];
    const first = await TidemarkDevice.open(server, () => start);
    const there = new SecondDevice(before, () => start);
    there.connect();
    await there.write([createChange('create', 0, 'lost with its server')]);
    await there.settle();
    there.disconnect();
    await there.write([createChange('create', 1, 'kept'), createChange('insert', 1, 'a')]);
    const secondDevice = new SecondDevice(server, () => start, there.replica);
    secondDevice.connect();
    await secondDevice.session!.settle();
    await settleDevices(first);
    expect(secondDevice.session!.ends).toEqual(['history-changed', 'history-changed']);
    expect(secondDevice.contents()).toEqual(first.contents());
    expect(secondDevice.contents()).toMatchObject([{ id: 1, items: ['a'] }]);
    await before.close();
    await closeAll(server, secondDevice, first);
  });
});
