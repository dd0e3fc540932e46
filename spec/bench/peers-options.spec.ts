import { taskNames } from '../../bench/peers/figures.js';
import { defaultPeers } from '../../bench/peers/peer.js';
import { readPeersOptions } from '../../bench/peers/peers-options.js';

describe('the options of the comparison with peers', () => {
  it('are all tasks and the usual peers, three times, on a quiet machine', () => {
    expect(readPeersOptions([])).toEqual({
      taskNames,
      peerNames: defaultPeers,
      reps: 3,
      isSmall: false,
      quietMs: 15_000,
    });
  });

  it('are the named tasks and peers, in any order', () => {
    const options = readPeersOptions(['T7', 'raw-memory', '--reps', '20', 'T1', '--quiet', '0', 'tidemark']);
    expect(options).toEqual({
      taskNames: ['T7', 'T1'],
      peerNames: ['raw-memory', 'tidemark'],
      reps: 20,
      isSmall: false,
      quietMs: 0,
    });
  });

  it('of a small run are one repetition without a wait', () => {
    expect(readPeersOptions(['--small'])).toMatchObject({ isSmall: true, reps: 1, quietMs: 0 });
    expect(readPeersOptions(['--small', '--reps', '2'])).toMatchObject({ isSmall: true, reps: 2 });
  });

  it.each([
    [['T9'], 'A task or a peer must be one of T1, T2, T2x, T3'],
    [['t1'], 'received "t1".'],
    [['--reps', '0'], '--reps must be a whole number from 1, received "0".'],
    [['--reps', 'three'], '--reps must be a whole number from 1, received "three".'],
    [['--quiet', '-1'], '--quiet'],
    [['--quick'], '--quick'],
  ])('reject %j', (args, text) => {
    expect(() => readPeersOptions(args)).toThrow(text);
  });
});
