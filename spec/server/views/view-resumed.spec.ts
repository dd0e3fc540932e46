import { limits } from '../../../lib/model/limits.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { delayed } from './view-acts.js';
import { namesOf } from './view-facts.js';
import { create, createViewConnection, createViewWorld, filterOf, lists } from './view-world.js';

const small = limits as { pageChangesetsMax: number };
const { pageChangesetsMax } = limits;
const { selectionPages } = serverLimits;
beforeAll(() => {
  Object.assign(serverLimits, { selectionPages: 1 }); // So that a page can have one object.
});
afterAll(() => {
  Object.assign(serverLimits, { selectionPages });
});
afterEach(() => {
  Object.assign(small, { pageChangesetsMax });
});

describe('a view that is fetched over two connections', () => {
  it('has what was touched before its first page, although the changes were sent in between', () => {
    const { make, storage, clock, writer, pass } = createViewWorld();
    writer.drop();
    let slowness = 0;
    const server = make({ storage: delayed(storage, () => slowness, clock.scheduler) });
    writer.connect(server);
    writer.write(
      clock.now(),
      create('k1', 'b'),
      ...['k1', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9'].map((key) => create(key, 'b', { n: 1 })),
    );
    pass(100);
    const before = createViewConnection(server);
    before.bind();
    before.subscribe(1, lists('a'));
    pass(100);
    before.next(1);
    pass(100);
    const history = before.history();
    before.disconnect();
    pass(100);
    Object.assign(small, { pageChangesetsMax: 2 });
    slowness = 1;
    const placed = { number: 1, filters: lists('a') };
    const bind = (downloadedTo: number, ...created: readonly string[]) => {
      const client = createViewConnection(server);
      client.bind(placed, downloadedTo, history);
      for (let ms = 0; ms < 100 && client.history() === ''; ms += 1) pass(1);
      for (const key of created) client.write(clock.now(), create(key, 'b', { n: 1 }));
      client.subscribe(2, [...lists('a'), filterOf(['in', 'n', 1], 2)]);
      pass(100);
      return client;
    };
    const first = bind(1, 'k2');
    for (let page = 0; page < 2; page += 1) {
      first.next(2);
      pass(100);
    }
    const at = first.position();
    const [parts] = first.all.filter(({ type }) => type === 'parts').slice(-1);
    expect([at !== null, parts]).toMatchObject([true, { upTo: 2 }]);
    first.disconnect();
    pass(100);
    const second = bind(2);
    second.next(2, at);
    do {
      pass(100);
      if (second.position() !== null) second.next(2);
    } while (second.position() !== null);
    second.texts();
    const named = [...first.all, ...second.all]
      .filter(({ type }) => type === 'members')
      .flatMap((message) => namesOf(message).map((name) => `${name.key}${'state' in name ? '' : ' leaves'}`));
    expect([...new Set(named)].sort()).toEqual(['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9']);
    writer.drop();
    second.disconnect();
  });
});
