const body = Uint8Array.of(1, 2, 3);

/** One valid frame of every kind. */
export const clientFrames: readonly (readonly unknown[])[] = [
  [1, 1, 'realm', 'replica', 'token', 'history', 0, 0, false, [['run', 0]]],
  [2, 1, [[1, 0, 0, body]]],
  [3, 1, 1],
  [4, 1, 1],
  [5, 'token'],
  [6, 1],
  [7, 1, 1, 'unreadable'],
  [8, 0],
  [9, 1, 1, ['Task', 'a']],
  [10, 1, 1, 'too-large', [['Task', 'a']]],
];
export const serverFrames: readonly (readonly unknown[])[] = [
  [33, 1, 'history', 0, 0, 0, 0, 1, 5, [0, 0], [1, 1, 1, 1, 1], [1, 0], 0],
  [34, 1, 1],
  [35, 1, [['a'], [[1, 0, 0, 0, body]]], 1, 0, 0, 0],
  [36, 1, 1, 0],
  [37, 1],
  [38, 0],
  [39, 1, 'code', 'text', 'never'],
  [40, 1, 5, [['Task', 'a', body]], 0, 0],
  [41, 1, 3, [['Task', 'a', 'no']], [['Task', 'a', null]], 'not-permitted'],
  [42, true, body],
  [43, 1, 0],
];
