import { BehaviorSubject, defer, type Observable } from 'rxjs';
import type { Version } from '../model/version.js';

/** The last version of a log, and its growth. */
export interface LogHead {
  readonly current: () => Version;
  readonly current$: Observable<Version>;
  readonly grow: (to: Version) => void;
  /** Continues at a version: current subscribers complete, and later ones receive the new version. */
  readonly restart: (to: Version) => void;
  readonly close: () => void;
}

/**
 * Creates the head of a log. All subscribers receive the same versions in the same order, even when one of them appends
 * while it is notified: a growth during a notification is emitted after the notification. (A subject alone would emit
 * the newest version first to the later subscribers.)
 */
export const createLogHead = (version: Version): LogHead => {
  let head$ = new BehaviorSubject(version);
  let head = version;
  let isNotifying = false;

  return {
    current: () => head,
    current$: defer(() => head$),
    grow: (to) => {
      head = to;
      if (isNotifying) return;
      isNotifying = true;
      while (head$.value < head) head$.next(head);
      isNotifying = false;
    },
    restart: (to) => {
      const before$ = head$;
      head = to;
      head$ = new BehaviorSubject(to);
      before$.complete();
    },
    close: () => head$.complete(),
  };
};
