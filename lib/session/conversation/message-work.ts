import { type Observable, queueScheduler, type SchedulerAction } from 'rxjs';
import type { Conversation } from './conversation-ports.js';
import { recordProcessed } from './receive-progress.js';

/*
 * Handles the messages of a conversation one by one. An edge: the work of a message is subscribed here, and
 * unsubscribed when the conversation ends. An operator for each step of each message took a third of a reader's time.
 */

/** Handlers of the work that one message causes. */
export interface WorkHandlers<T> {
  readonly onValue?: (value: T) => void;
  readonly onError?: (thrown: unknown) => void;
  /** Is called when the work is done, before the next message is handled. */
  readonly onDone?: () => void;
  /** Returns the number of messages that were handled. One by default. */
  readonly countMessages?: () => number;
}

/** Runs an action, and ends the conversation with what it throws. */
const attempt = (conversation: Conversation, action: () => void): void => {
  try {
    action();
  } catch (thrown) {
    conversation.fail(thrown);
  }
};

/** Runs the work of the current message. The next message is handled when it is done. */
export const runWork = <T>(
  conversation: Conversation,
  work$: Observable<T>,
  { onValue, onError, onDone, countMessages }: WorkHandlers<T>,
): void => {
  const subscription = work$.subscribe({
    next: (value) => {
      if (onValue) attempt(conversation, () => onValue(value));
    },
    error: (thrown: unknown) => {
      onError?.(thrown);
      conversation.fail(thrown);
    },
    complete: () => {
      attempt(conversation, () => {
        onDone?.();
        finishWork(conversation, countMessages?.());
      });
    },
  });
  if (!subscription.closed) conversation.running.add(subscription);
};

/** Runs work beside the messages until the conversation ends. */
export const runBeside = <T>(
  conversation: Conversation,
  work$: Observable<T>,
  onValue: (value: T) => void = () => undefined,
): void => {
  conversation.running.add(
    work$.subscribe({
      next: (value) => {
        attempt(conversation, () => onValue(value));
      },
      error: (thrown: unknown) => conversation.fail(thrown),
    }),
  );
};

/** Records that messages were handled, and schedules the next one. */
export const finishWork = (conversation: Conversation, messages = 1): void => {
  recordProcessed(conversation.receiveProgress, messages);
  conversation.isBusy = false;
  handleWaiting(conversation);
};

/**
 * Handles the waiting messages, unless one is being handled. By the queue: handling that takes no time must not nest in
 * that of the message before.
 */
export const handleWaiting = (conversation: Conversation): void => {
  const { channel, running } = conversation;
  if (conversation.isBusy || channel.inbox.length === 0 || running.closed) return;
  conversation.isBusy = true;
  queueScheduler.schedule(handleNext, 0, conversation);
};

function handleNext(this: SchedulerAction<Conversation>, conversation?: Conversation): void {
  if (conversation && !conversation.running.closed)
    attempt(conversation, () => conversation.handlers.handleMessage(conversation));
}
