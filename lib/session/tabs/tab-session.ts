import { BehaviorSubject, defer, map, type Observable, of, switchMap, takeWhile } from 'rxjs';
import type { SyncError } from '../../model/errors.js';
import type { SessionEvent } from '../state/session-events.js';
import type { SessionState } from '../state/session-state.js';
import type { SessionStore } from '../state/session-store.js';

/** Is added to the counts of the present session, so that they continue those of the sessions before it. */
interface Offset {
  readonly marks: number;
  readonly times: number;
  readonly shift: number;
}

const noOffset: Offset = { marks: 0, times: 0, shift: 0 };

const addOffset = (state: SessionState, { marks, times, shift }: Offset): SessionState =>
  marks === 0 && times === 0 && shift === 0
    ? state
    : {
        ...state,
        marks: { wanted: state.marks.wanted + marks, answered: state.marks.answered + marks },
        interruption: { ...state.interruption, times: state.interruption.times + times },
        versionShift: {
          shift: state.versionShift.shift + shift,
          lostFrom: state.versionShift.lostFrom + shift,
          lostTo: state.versionShift.lostTo + shift,
        },
      };

/**
 * The session of a realm in one tab, for as long as the realm is open in it: the session of this tab while it leads,
 * otherwise that of the leader. Its waits continue when the leader changes.
 */
export class TabSession implements SessionStore {
  readonly #sources: BehaviorSubject<SessionStore>;
  #offset = noOffset;

  constructor(first: SessionStore) {
    this.#sources = new BehaviorSubject(first);
  }

  get state$(): Observable<SessionState> {
    return defer(() => {
      if (this.getState().released) return of(this.getState());
      return this.#sources.pipe(
        switchMap((source) => source.state$),
        map((state) => addOffset(state, this.#offset)),
        takeWhile(({ released }) => !released, true),
      );
    });
  }

  get error$(): Observable<SyncError> {
    return this.#sources.pipe(switchMap((source) => source.error$));
  }

  getState(): SessionState {
    return addOffset(this.#sources.value.getState(), this.#offset);
  }

  dispatch(event: SessionEvent): void {
    this.#sources.value.dispatch(event);
  }

  /** Shows another session from now on. */
  switchTo(next: SessionStore): void {
    const { marks, interruption, versionShift } = this.getState();
    // Each wait has a mark of its own: with fewer, some would end at once.
    for (let { wanted } = marks; wanted > marks.answered; wanted -= 1) next.dispatch({ type: 'markWanted' });
    const state = next.getState();
    this.#offset = {
      marks: marks.wanted - state.marks.wanted,
      times: interruption.times - state.interruption.times,
      shift: versionShift.shift - state.versionShift.shift,
    };
    this.#sources.next(next);
  }

  /** Called when the session has ended in this tab. */
  end(): void {
    this.#sources.complete();
  }
}
