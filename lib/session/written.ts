import { concat, defer, distinctUntilChanged, filter, map, type Observable, takeWhile, throwError } from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import { isVersion, type Version } from '../model/version.js';
import type { Machine } from './machine.js';
import type { SessionState } from './step.js';
import { orBroken, over } from './waits.js';

/** Where a write is on its way up. */
export type WriteStage =
  /** Durable on this device. */
  | { readonly state: 'saved' }
  /** Put on a line since the session began. Nobody has said that it arrived. */
  | { readonly state: 'sent' }
  /** Durable on the server, and the acknowledgement is stored here. */
  | { readonly state: 'accepted' };

const names = ['saved', 'sent', 'accepted'] as const;
type Name = WriteStage['state'];

const stageOf = (version: Version, { outbox, sent }: SessionState): Name | null => {
  if (version <= outbox.acknowledged) return 'accepted';
  if (version > outbox.written) return null;
  return version <= sent ? 'sent' : 'saved';
};

/**
 * One write on its way up, by the version that `realm.write` gave: where it is now, on subscription, then each stage it
 * reaches, `accepted` last; then it completes. Silent for a version that is not written yet. What was sent before a drop
 * stays `sent`. Errors like a wait when the session ends before. Cold. Throws an `InvalidArgumentError` for what is no version.
 */
export const written = (machine: Machine, version: Version): Observable<WriteStage> => {
  if (!isVersion(version) || version < 1) throw new InvalidArgumentError('version', 'a version from 1', version);
  return defer(() => {
    const { times } = machine.present().broken;
    const all$ = concat(
      machine.state$,
      throwError(() => over()),
    );
    return all$.pipe(
      map((state) => {
        const stage = stageOf(version, state);
        if (stage !== 'accepted') orBroken(state, times);
        return stage;
      }),
      filter((stage) => stage !== null),
      distinctUntilChanged((before, now) => names.indexOf(now) <= names.indexOf(before)),
      map((state): WriteStage => ({ state })),
      takeWhile(({ state }) => state !== 'accepted', true),
    );
  });
};
