import { BehaviorSubject, defer, type Observable } from 'rxjs';
import type { Version } from '../model/version.js';

/** The head of a log, and its growth as everybody hears of it. */
export interface LogHead {
  readonly current: () => Version;
  readonly current$: Observable<Version>;
  readonly grow: (to: Version) => void;
  /** Begins anew at a version: who has listened so far hears the end, and who comes now hears of the new count. */
  readonly restart: (to: Version) => void;
  readonly close: () => void;
}

/**
 * Tells every reader the same story in the same order, even when one of them appends on hearing of it: what grows
 * meanwhile is told when all have heard the last (a subject alone would tell late readers the newest first).
 */
export const createLogHead = (version: Version): LogHead => {
  let told = new BehaviorSubject(version);
  let head = version;
  let telling = false;

  return {
    current: () => head,
    current$: defer(() => told),
    grow: (to) => {
      head = to;
      if (telling) return;
      telling = true;
      while (told.value < head) told.next(head);
      telling = false;
    },
    restart: (to) => {
      const before = told;
      head = to;
      told = new BehaviorSubject(to);
      before.complete();
    },
    close: () => told.complete(),
  };
};
