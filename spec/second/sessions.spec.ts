import { SecondDevice, TidemarkDevice } from './devices.js';
import { changesOf, close, heardBy, serverOf, settle, start, text } from './kit.js';

describe('a second implementation', () => {
  it('field report E11: is told what is refused, and shows what stands instead', async () => {
    const server = serverOf({ permit: (_, __, { after }) => after?.['title'] !== 'dear' || 'too dear' });
    const [second, first] = [new SecondDevice(server, () => start), await TidemarkDevice.open(server, () => start)];
    second.connect();
    await first.write([text('create', 0, 'cheap'), text('insert', 0, 'a', 'b')]);
    await settle(first, second);
    second.disconnect();
    await second.write([text('tag', 0, 'before')]);
    await second.write([text('title', 0, 'dear'), text('insert', 0, 'c')]);
    await second.write([text('tag', 0, 'after')]);
    second.connect();
    await settle(second, first);
    expect(second.replica.refused).toEqual([{ version: 2, code: 'not-permitted', reasons: ['too dear'] }]);
    expect(second.shown()).toEqual(first.shown());
    expect(second.shown()).toMatchObject([{ title: 'cheap', items: ['a', 'b'], tags: ['after', 'before'] }]);
    await close(server, second, first);
  });

  it('field report E11: goes on as another replica when its data is a copy, and loses nothing', async () => {
    const server = serverOf();
    const first = await TidemarkDevice.open(server, () => start);
    const original = new SecondDevice(server, () => start);
    original.connect();
    await original.write([text('create', 0, 'x'), text('insert', 0, 'a', 'b')]);
    await settle(original);
    const copy = new SecondDevice(server, () => start, original.replica.copy());
    await original.write([text('insert', 0, 'original'), text('move', 0), text('add', 0)]);
    await copy.write([text('insert', 0, 'copy'), text('move', 0), text('replace', 0, 'replaced'), text('add', 0)]);
    await copy.write([text('insert', 0, 'more'), text('remove', 0)]);
    await settle(original);
    original.disconnect();
    copy.connect();
    await settle(copy);
    original.connect();
    await settle(copy, original, first);
    expect(heardBy(copy, 'copied')).toHaveLength(1);
    expect(copy.replica.id).not.toBe(original.replica.id);
    expect(copy.shown()).toEqual(original.shown());
    expect(first.shown()).toEqual(original.shown());
    expect(first.shown()).toMatchObject([{ votes: -4 }]);
    await close(server, copy, original, first);
  });

  it('field report E11: sends again what had no answer, and nothing twice', async () => {
    const server = serverOf();
    const [second, first] = [new SecondDevice(server, () => start), await TidemarkDevice.open(server, () => start)];
    await second.write([text('create', 0, 'x'), text('insert', 0, 'a'), text('add', 0)]);
    for (const line of changesOf(11, 12)) {
      second.connect();
      await second.session!.until(() => second.session!.bound !== null);
      await second.write([...line, text('create', 0, 'x'), text('add', 0)]); // Uploaded, and the line is cut before the answer.
      second.disconnect();
    }
    second.connect();
    await settle(second, first);
    expect(second.replica.written).toBe(13);
    expect(first.shown()).toEqual(second.shown());
    await close(server, second, first);
  });

  it('field report E11: corrects a clock that is a year ahead by that of the server', async () => {
    const year = 365 * 24 * 60 * 60 * 1000;
    const server = serverOf();
    const [second, first] = [
      new SecondDevice(server, () => start + year),
      await TidemarkDevice.open(server, () => start),
    ];
    await second.write([text('create', 0, 'x'), text('insert', 0, 'a', 'b', 'c'), text('add', 0)]);
    await second.write([text('move', 0), text('replace', 0, 'd'), text('add', 0), text('title', 0, 'ahead')]);
    second.connect();
    await settle(second, first);
    expect(first.shown()).toEqual(second.shown());
    await first.write([text('title', 0, 'later')]);
    await settle(first, second);
    expect(second.shown()).toMatchObject([{ title: 'later', votes: -4, items: ['d', 'a', 'c'] }]);
    await close(server, second, first);
  });

  it('field report E11: starts over on a server with another history, with what it had not sent', async () => {
    const [before, server] = [serverOf(), serverOf()];
    const first = await TidemarkDevice.open(server, () => start);
    const there = new SecondDevice(before, () => start);
    there.connect();
    await there.write([text('create', 0, 'lost with its server')]);
    await there.settle();
    there.disconnect();
    await there.write([text('create', 1, 'kept'), text('insert', 1, 'a')]);
    const here = new SecondDevice(server, () => start, there.replica);
    here.connect();
    await here.session!.settle();
    await settle(first);
    expect(here.session!.ends).toEqual(['history-changed', 'history-changed']);
    expect(here.shown()).toEqual(first.shown());
    expect(here.shown()).toMatchObject([{ id: 1, items: ['a'] }]);
    await before.close();
    await close(server, here, first);
  });
});
