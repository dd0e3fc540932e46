import { EMPTY, fromEvent, type Observable } from 'rxjs';

/** What this platform says that means "try now": the `online` event where there is one. `offline` says nothing: it is known to lie. */
export const platformNudges = (): Observable<unknown> =>
  typeof globalThis.addEventListener === 'function' ? fromEvent(globalThis as unknown as EventTarget, 'online') : EMPTY;
