import { BehaviorSubject, concatMap, filter, firstValueFrom, map, of, take, tap } from 'rxjs';
import { createSubscriptions, createSyncClient, memoryStorage, openRealm, type Wire } from '../../../lib/index.js';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import { addTask, idsOf, openServer, schema, startDevice, waitForUpload, type Tasks } from './partial-devices.js';

type MessageWire = Wire<ClientMessage, ServerMessage>;

/** Holds everything that a server sends from the last page of the first view on, until `isHeld` is false again. */
const holdLastPage = (wire: MessageWire, isHeld: BehaviorSubject<boolean>): MessageWire => {
  const released$ = isHeld.pipe(
    filter((is) => !is),
    take(1),
  );
  const hold = (message: ServerMessage): void => {
    if (message.type === 'members' && message.number === 1) isHeld.next(true);
  };
  return (sent$) =>
    wire(sent$).pipe(
      tap(hold),
      concatMap((message) => released$.pipe(map(() => message))),
    );
};

describe('edge case 17: a view that is overtaken when its last page is on the way', () => {
  it('is placed, because the server sends the difference to it, and a mark of before is answered in it', async () => {
    const server = openServer();
    const computer = await startDevice(server, { isPartial: false });
    await addTask(computer, 'milk', 'a');
    await addTask(computer, 'tea', 'c');
    await waitForUpload(computer);
    const isHeld = new BehaviorSubject(false);
    const client = createSyncClient({ dial: of(holdLastPage(server.wire, isHeld)) });
    const sync = { client, realm: 'tasks' };
    const subscriptions = createSubscriptions<typeof schema>();
    const realm: Tasks = await openRealm({ schema, storage: memoryStorage(), sync, subscriptions });

    realm.subscribe('Task', { where: { list: { $in: ['a', 'c'] } } }, { name: 'x' });
    const atMark = firstValueFrom(realm.session.downloadComplete$.pipe(map(() => idsOf({ realm }))));
    await firstValueFrom(isHeld.pipe(filter((is) => is)));
    await realm.subscriptions.update((edit) => {
      edit.set('Task', { where: { list: 'a' } }, { name: 'x' });
    });
    isHeld.next(false);

    expect(await atMark).toEqual(['milk', 'tea']);
    await firstValueFrom(realm.subscriptions.sync$);
    expect(idsOf({ realm })).toEqual(['milk']);
    await realm.close();
    await client.close();
  });
});
