import type { Subscription } from 'rxjs';
import type { ErrorRecord } from '../../model/error-record.js';
import type { StorageChange } from '../../storage/storage.js';
import type { TabChannel } from '../../storage/tab-platform.js';
import type { UpdateFields } from './tab-messages.js';

/** A follower, as its leader sees it. */
export interface Link {
  readonly channel: TabChannel;
  readonly life: Subscription;
  /** Stored changes that are not sent. */
  changes: StorageChange[];
  answer: UpdateFields['answer'];
  /** The marks that it waits for. */
  marks: readonly number[];
  /** The number of its marks that were answered. */
  marksAnswered: number;
  /** Its last event that was applied. */
  upTo: number;
  errors: readonly ErrorRecord[];
  hasNews: boolean;
  /** Whether the subscriptions have changed. */
  hasViewNews: boolean;
  /** Whether it has sent something lately. */
  isAlive: boolean;
}

export const createLink = (channel: TabChannel, life: Subscription): Link => ({
  ...{ channel, life, changes: [], answer: null, marks: [], marksAnswered: 0, upTo: 0, errors: [], isAlive: true },
  ...{ hasNews: true, hasViewNews: true },
});

/** Whether there is something that the follower does not have yet. */
export const hasNewsFor = ({ changes, answer, hasNews, hasViewNews, errors }: Link): boolean =>
  changes.length > 0 || answer !== null || hasNews || hasViewNews || errors.length > 0;
