import { isBytes } from '../../model/built-ins.js';
import type { ErrorRecord } from '../../model/error-record.js';
import type { OutboxState } from '../../model/sync-port.js';
import { isRecord } from '../../model/value.js';
import { isCount } from '../../model/version.js';
import type { SessionRecord } from '../../session/tabs/session-record.js';
import type { StorageChange } from '../../storage/storage.js';
import type { ViewNews } from '../../store/subscriptions/view-news.js';
import type { TabAnswer, TabWrite } from '../../store/tabs/tab-write.js';

/** A message to all tabs of a realm. `tab`: its sender. */
export type CommonMessage =
  /** A tab asks the leader to let it follow. `stamp` identifies what it has mirrored; `null`: nothing. */
  | { readonly type: 'hello'; readonly tab: string; readonly stamp: Uint8Array | null }
  /** The leader, or the tab that is becoming it (`isReady` is false), is alive. */
  | { readonly type: 'leading'; readonly tab: string; readonly isReady: boolean; readonly isHidden: boolean }
  /** Asks for a `leading`. `isFollowing`: the tab takes itself for a follower of the leader. */
  | { readonly type: 'ping'; readonly tab: string; readonly isFollowing: boolean }
  /** The leader has stopped. The tab `to` may take the lead from it. */
  | { readonly type: 'yield'; readonly tab: string; readonly to: string }
  /** The user has logged out in a tab. */
  | { readonly type: 'loggedOut'; readonly tab: string };

/** A message of a follower to its leader. */
export type FollowerMessage =
  | { readonly type: 'bye' }
  /** The page of the follower is visible, that of the leader is not. */
  | { readonly type: 'claim' }
  | { readonly type: 'writes'; readonly number: number; readonly writes: readonly TabWrite[] }
  | { readonly type: 'event'; readonly number: number; readonly event: EventRecord }
  | { readonly type: 'call'; readonly number: number; readonly method: TabCall };

/** A message of a leader, which may have been replaced meanwhile, to one follower. */
export type LeaderMessage = LeaderNews & { readonly leader: string };

export type LeaderNews =
  /** A part of the records of the storage, before `welcome`. `areChecked`: all objects fit the schema. */
  | {
      readonly type: 'page';
      readonly records: readonly StorageChange[];
      readonly isFirst: boolean;
      readonly areChecked: boolean;
    }
  /** The tab follows now. `isReset`: it replaces what it has by the pages. Otherwise `stamp` identifies what it has. */
  | (UpdateFields & {
      readonly type: 'welcome';
      readonly plan: PlanRecord;
      readonly isReset: boolean;
      readonly stamp: Uint8Array | null;
    })
  | (UpdateFields & { readonly type: 'update' })
  | { readonly type: 'result'; readonly number: number; readonly error: ErrorRecord | null };

/** The plan with which a tab opened a realm, as a record that can be cloned. */
export interface PlanRecord {
  /** The version of the messages between tabs. */
  readonly version: number;
  readonly schema: object;
  readonly schemaVersion: number;
  /** Whether the realm has subscriptions. Absent: no. */
  readonly hasSubscriptions?: boolean;
  /** `null`: a local realm. */
  readonly sync: object | null;
}

export interface UpdateFields {
  readonly changes: readonly StorageChange[];
  readonly outbox: OutboxState;
  readonly answer: { readonly number: number; readonly answers: readonly TabAnswer[] } | null;
  /** The state of the session, if it is new. */
  readonly session: SessionUpdate | null;
  /** The part of the state of the subscriptions that is not stored, if it is new. Absent in a realm without any. */
  readonly view?: ViewNews | null;
}

export interface SessionUpdate {
  readonly state: SessionRecord;
  readonly upTo: number;
  readonly errors: readonly ErrorRecord[];
}

/** An event of a session as a record that can be cloned. */
export interface EventRecord {
  readonly type: string;
  /** Empty for all but `input`. */
  readonly input: string;
}

/**
 * Work that a follower asks of the leader: `refresh`, `reconnect`, `discard` all data, or a client reset (`recover`,
 * `discardReset`).
 */
export type TabCall = 'refresh' | 'reconnect' | 'discard' | 'recover' | 'discardReset';

export type TabMessage = CommonMessage | FollowerMessage | LeaderMessage;

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value.length <= 256;
const isFlag: Check = (value) => typeof value === 'boolean';
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const orAbsent =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const recordOf =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isRecord(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);

const isChange: Check = (value) =>
  isRecord(value) && typeof value['key'] === 'string' && (value['type'] === 'del' || isBytes(value['value']));
const isRejection = recordOf({ id: isCount, code: isText, text: (value) => typeof value === 'string' });
const isOutbox = recordOf({
  ...{ written: isCount, acknowledged: isCount, acknowledgedBytes: isCount, changesets: isCount, bytes: isCount },
});
const isAnswer: Check = (value) =>
  recordOf({ error: isRecord })(value) || recordOf({ version: isCount, time: isCount, count: isCount })(value);
const update = {
  leader: isText,
  changes: listOf(isChange),
  outbox: isOutbox,
  answer: orNull(recordOf({ number: isCount, answers: listOf(isAnswer) })),
  session: orNull(recordOf({ state: isRecord, upTo: isCount, errors: listOf(isRecord) })),
  view: orAbsent(orNull(recordOf({ version: isCount, isArriving: isFlag, rejections: listOf(isRejection) }))),
};
const isWrite = recordOf({
  ...{
    method: oneOf('write', 'retry', 'discard', 'subscribe'),
    rejected: isCount,
    replica: isText,
    time: isCount,
    count: isCount,
    body: orNull(isBytes),
  },
});
/** Whether a follower sends such an event. All others need fields, and belong to the connection of the leader. */
const isEvent: Check = (value) =>
  isRecord(value) &&
  /^(input (open|pause|resume|logIn)|(markWanted|loggedOut|reset) )$/.test(
    `${String(value['type'])} ${String(value['input'])}`,
  );

/** The fields of each message, as a script of the same origin may send anything. */
const checks: Readonly<Record<string, Check>> = {
  hello: recordOf({ tab: isText, stamp: orNull(isBytes) }),
  leading: recordOf({ tab: isText, isReady: isFlag, isHidden: isFlag }),
  ping: recordOf({ tab: isText, isFollowing: isFlag }),
  yield: recordOf({ tab: isText, to: isText }),
  loggedOut: recordOf({ tab: isText }),
  bye: () => true,
  claim: () => true,
  writes: recordOf({ number: isCount, writes: listOf(isWrite) }),
  event: recordOf({ number: isCount, event: isEvent }),
  call: recordOf({ number: isCount, method: oneOf('refresh', 'reconnect', 'discard', 'recover', 'discardReset') }),
  page: recordOf({ leader: isText, records: listOf(isChange), isFirst: isFlag, areChecked: isFlag }),
  welcome: recordOf({
    ...update,
    ...{ plan: recordOf({ schema: isRecord, version: isCount }), isReset: isFlag, stamp: orNull(isBytes) },
  }),
  update: recordOf(update),
  result: recordOf({ number: isCount, error: orNull(isRecord) }),
};

/** Whether a message of a channel is one of ours. All others are ignored. */
export const isTabMessage = (message: unknown): message is TabMessage => {
  if (!isRecord(message)) return false;
  const { type } = message;
  return typeof type === 'string' && Object.hasOwn(checks, type) && checks[type]?.(message) === true;
};
