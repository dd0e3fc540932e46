import { concat, defer, EMPTY, NEVER, of, Subject, throwError } from 'rxjs';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createFaultyStorage } from '../test-kit.js';
import { create, openWatchedRealm, run } from '../watched-realm.js';

const openHeld = async () => {
  const storage = createFaultyStorage(memoryStorage());
  const one = await openWatchedRealm(storage);
  one.upload('a', 1, [create('warm', {})]); // The realm has its replica.
  const { uploadQueue } = one.realm;
  const { log } = one.history;
  storage.hold();
  const upload = one.upload('a', 2, [create('x', {})]);
  return { storage, one, uploadQueue, log, upload };
};

describe('work between two batches', () => {
  it('begins when the present batch is written, and no other is written meanwhile', async () => {
    const { storage, one, uploadQueue, log, upload } = await openHeld();
    const work = new Subject<string>();
    const heads: number[] = [];
    const running = run(uploadQueue.runBetween(concat(of('begun'), work)));
    expect(running.emitted).toEqual([]);
    storage.release();
    heads.push(log.head);
    const later = one.upload('a', 3, [create('y', {})]);
    heads.push(log.head);
    work.next('value');
    expect([upload.end(), running.emitted, later.end(), heads]).toEqual([
      'complete',
      ['begun', 'value'],
      'open',
      [2, 2],
    ]);
    work.complete();
    expect([running.end(), later.end(), log.head]).toEqual(['complete', 'complete', 3]);
  });

  it('lets waiting uploads go first every second time', async () => {
    const { storage, one, uploadQueue, log } = await openHeld();
    const heads: number[] = [];
    const read = () => run(uploadQueue.runBetween(concat(of(0), EMPTY)));
    for (let time = 0; time < 3; time += 1) uploadQueue.runBetween(of(0)).subscribe(() => heads.push(log.head));
    one.upload('a', 3, [create('y', {})]);
    storage.release();
    expect(heads).toEqual([2, 3, 3]);
    expect(read().end()).toBe('complete');
  });

  it('comes after the watching of a property, which the next batch needs', async () => {
    const { storage, one, uploadQueue } = await openHeld();
    const order: string[] = [];
    uploadQueue.runBetween(of(0)).subscribe(() => order.push('work'));
    uploadQueue.watch('Task', ['list']).subscribe({ complete: () => order.push('watch') });
    uploadQueue.watch('Task', ['done']).subscribe({ complete: () => order.push('watch') });
    const later = one.upload('a', 3, [create('y', { list: 'in' })]);
    for (let round = 0; round < 5; round += 1) storage.release();
    expect([order, later.end()]).toEqual([['watch', 'watch', 'work'], 'complete']);
    expect((await one.records()).map(({ touches }) => touches !== undefined)).toEqual([false, false, true]);
  });

  it('ends when it is unsubscribed, or is taken off the queue, and the next batch is written', async () => {
    const { storage, one, uploadQueue, log } = await openHeld();
    let begun = 0;
    const count$ = defer(() => {
      begun += 1;
      return NEVER;
    });
    const waiting = uploadQueue.runBetween(count$).subscribe();
    const running = uploadQueue.runBetween(NEVER).subscribe();
    waiting.unsubscribe();
    storage.release();
    const later = one.upload('a', 3, [create('y', {})]);
    expect([later.end(), log.head]).toEqual(['open', 2]);
    running.unsubscribe();
    expect([later.end(), log.head, begun]).toEqual(['complete', 3, 0]);
    const unsubscribed = uploadQueue.runBetween(of(0)).subscribe();
    unsubscribed.unsubscribe();
    expect(uploadQueue.isBusy()).toBe(false);
  });

  it('passes its error on, and the next batch is written', async () => {
    const { storage, one, uploadQueue } = await openHeld();
    const failing = run(uploadQueue.runBetween(throwError(() => new Error('no disk'))));
    storage.release();
    expect(failing.end()).toBe('no disk');
    expect(one.upload('a', 3, [create('y', {})]).end()).toBe('complete');
  });

  it('leaves the queue idle when all of it was taken off', async () => {
    const { storage, uploadQueue } = await openHeld();
    const waiting = uploadQueue.runBetween(NEVER).subscribe();
    const watching = uploadQueue.watch('Task', ['list']).subscribe();
    waiting.unsubscribe();
    watching.unsubscribe();
    storage.release();
    expect(uploadQueue.isBusy()).toBe(false);
  });
});
