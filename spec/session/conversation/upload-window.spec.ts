import { VirtualTimeScheduler } from 'rxjs';
import { limits } from '../../../lib/model/limits.js';
import { createUploadWindow } from '../../../lib/session/conversation/upload-window.js';

/** Sends pages as the window allows, answers each after this time, and draws the window after each answer. */
const windowsOf = (answers: readonly number[]): readonly number[] => {
  const scheduler = new VirtualTimeScheduler();
  const pace = createUploadWindow({ scheduler });
  return answers.map((ms, index) => {
    pace.recordSent(index + 1);
    scheduler.schedule(() => pace.recordAccepted(index + 1), ms);
    scheduler.flush();
    return pace.pagesMax();
  });
};

describe('the pace of uploads', () => {
  it('opens its window by a page for every answer that comes about as soon as the quickest, to its limit', () => {
    expect(windowsOf([100, 105, 110, 100, 100, 100, 100, 100])).toEqual([3, 4, 5, 6, 7, 8, 8, 8]);
    expect(limits.pagesInFlightMax).toBe(8);
  });

  it('closes it while answers come later, because pages queue on the connection, and keeps two', () => {
    expect(windowsOf([100, 100, 100, 228, 356, 356, 356, 110])).toEqual([3, 4, 5, 4, 3, 2, 2, 3]);
  });

  it('does not take a disk that syncs for a full connection', () => {
    expect(windowsOf([1, 15, 3, 20])).toEqual([3, 4, 5, 6]);
  });
});
