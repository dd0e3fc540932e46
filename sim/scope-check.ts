import { decodeOperationsLeniently } from '../lib/merge/operation-codec.js';
import { isAlive, type ObjectState } from '../lib/merge/object-state.js';
import type { Changeset } from '../lib/model/changeset.js';
import { objectTextOf, parseObjectText } from '../lib/model/object-key.js';
import { isRight } from '../lib/model/result.js';
import type { WriteRejected } from '../lib/protocol/messages.js';
import { InvariantError, type Ledger } from './invariants.js';
import { isSelected, type FoldedChange, type ViewOracle } from './view-oracle.js';
import { wholeScope, type UserScopes, type WorldScope } from './world-scopes.js';

/** A changeset as a client has uploaded it. */
interface UploadedChangeset {
  readonly texts: readonly string[];
  /** The write that made it; `null`: the simulator does not know it. */
  readonly id: string | null;
  /** Virtual time of the upload. */
  readonly at: number;
  /** The head of the history then. */
  readonly head: number;
}

export interface ScopeCheckOptions {
  readonly oracle: ViewOracle;
  readonly ledger: Ledger;
  readonly scopes: UserScopes;
  /** Virtual time. */
  readonly now: () => number;
  readonly broken: (broken: InvariantError) => void;
}

const shownName = (text: string): string => text.replace('/s', ' ');

const textsOf = ({ body }: Changeset): readonly string[] => {
  const read = decodeOperationsLeniently(body);
  return isRight(read) ? [...new Set(read.right.map(({ type, key }) => objectTextOf(type, key)))] : [];
};

/**
 * Checks what a server shows to users who may see a part of a realm. A scope is in force from the moment at which the
 * server's `scope` has emitted it. What the server sends from then on must be in it.
 */
export class ScopeCheck {
  /** The objects that each user was ever allowed to see. */
  private readonly wasVisible = new Map<string, Set<string>>();
  private readonly users = new Map<string, string>();
  /** The scopes by users and ids. */
  private readonly named = new Map<string, WorldScope['filters']>();
  private readonly uploads = new Map<string, UploadedChangeset>();
  /** The virtual time at which each write was first uploaded. */
  private readonly uploadedAt = new Map<string, number>();
  /** The latest write of the history. */
  private latest = { version: 0, id: '' };
  private readonly rejected = new Set<string>();

  constructor(private readonly options: ScopeCheckOptions) {
    options.oracle.watch((change) => this.noteChange(change));
  }

  /** Notes what a user may see from now on. */
  seeAll(user: string, filters: WorldScope['filters']): void {
    const { oracle } = this.options;
    for (const text of oracle.texts()) this.see(user, filters, text, oracle.stateAt(text, oracle.head()));
  }

  noteBind(replica: string, user: string): void {
    this.users.set(replica, user);
    this.seeAll(user, this.options.scopes.filtersOf(user));
  }

  /** Notes the scope of an announced view. */
  noteView(user: string, id: string | null): void {
    if (id === null) return;
    const filters = this.options.scopes.filtersOf(user);
    const known = this.named.get(`${user} ${id}`) ?? filters;
    this.named.set(`${user} ${id}`, known);
    if (known !== filters)
      this.fail('an id belongs to one scope', `${id} of ${user} is of ${JSON.stringify([known, filters])}`, []);
  }

  noteUpload(replica: string, changesets: readonly Changeset[]): void {
    const { oracle, now } = this.options;
    for (const changeset of changesets) {
      const texts = textsOf(changeset);
      const entry = texts.map((text) => parseObjectText(text)).find(({ type }) => type === 'Entry');
      const id = entry === undefined ? null : String(entry.key);
      const upload = { texts, id, at: now(), head: oracle.head() };
      if (id !== null && !this.uploadedAt.has(id)) this.uploadedAt.set(id, now());
      // The first one counts: the server may have decided then, and answers again.
      const key = `${replica} ${changeset.version} ${id}`;
      this.uploads.set(key, this.uploads.get(key) ?? upload);
      this.uploads.set(`${replica} ${changeset.version}`, this.uploads.get(key) ?? upload);
    }
  }

  /** Checks that a user may learn that an object exists. */
  checkName(user: string, messageType: string, text: string): void {
    if (this.wasVisible.get(user)?.has(text) === true) return;
    this.fail('a user learns only of objects that were visible', `${messageType} for ${user} names ${text}`, [text]);
  }

  /** Checks that a user may see a state now. Values of a deleted object may be later than the delete, and hidden. */
  checkState(user: string, messageType: string, text: string, state: ObjectState): void {
    const filters = this.options.scopes.filtersOf(user);
    const isVisible = isAlive(state) ? isSelected(filters, text, state) : Object.keys(state.values).length === 0;
    if (isVisible || filters === wholeScope.filters) return;
    const shown = `${messageType} for ${user} shows ${text}: ${JSON.stringify(state.values)}`;
    this.fail('a user sees only visible objects', shown, [text]);
  }

  /** Checks that a text of the server names nothing. */
  checkText(user: string, messageType: string, text: string): void {
    const found = /e:\d+:\d+;|\bk\d+\b|"list"/.exec(text);
    if (found)
      this.fail('a server names objects only where names belong', `${messageType} for ${user}: ${text}`, [found[0]]);
  }

  /** Checks that a rejected changeset is bad, or writes an object that exists and is hidden. */
  checkRejection(user: string, replica: string, { version, code, writes }: WriteRejected): void {
    const { oracle, ledger, scopes } = this.options;
    const upload = this.uploads.get(`${replica} ${version}`);
    if (upload === undefined || upload.id === null || code === 'permission-denied') return;
    const { id, texts, at, head } = upload;
    if (id.endsWith('bad') || this.rejected.has(id)) return;
    this.rejected.add(id);
    ledger.recordHidden(id);
    const wasHidden = scopes
      .filtersSince(user, at)
      .some((filters) =>
        texts.some((text) =>
          oracle.statesFrom(text, head).some((state) => isAlive(state) && !isSelected(filters, text, state)),
        ),
      );
    if (!wasHidden)
      this.fail('only writes of hidden objects are rejected', `${id} of ${user} (${JSON.stringify(writes)})`, texts);
  }

  /** The filters of the scope in which a replica has its objects. */
  filtersOf(replica: string, id: string | null): WorldScope['filters'] | null {
    const user = this.users.get(replica);
    if (id === null || user === undefined) return null;
    return this.named.get(`${user} ${id}`) ?? null;
  }

  /** Checks that a placed view is of a scope that was in force since a moment. */
  checkPlaced(replica: string, id: string | null, since: number): void {
    const user = this.users.get(replica);
    if (user === undefined) return;
    const filters = id === null ? wholeScope.filters : this.filtersOf(replica, id);
    if (!this.options.scopes.filtersSince(user, since).some((each) => each === filters))
      this.fail('a mark is answered in the present scope', `${user} has ${id}: ${JSON.stringify(filters)}`, []);
  }

  private noteChange({ text, version, origin, before, state }: FoldedChange): void {
    const { scopes, now } = this.options;
    for (const user of new Set(this.users.values())) this.see(user, scopes.filtersOf(user), text, state);
    const user = this.users.get(origin);
    const { type, key } = parseObjectText(text);
    if (type === 'Entry') this.latest = { version, id: String(key) };
    if (user === undefined || before === null || !isAlive(before)) return;
    // The server has decided at some time since the upload. The entry is the first object of a write.
    const id = this.latest.version === version ? this.latest.id : '';
    const isHidden = scopes
      .filtersSince(user, this.uploadedAt.get(id) ?? now())
      .every((filters) => !isSelected(filters, text, before));
    if (isHidden)
      this.fail('a write of a hidden object is rejected', `version ${version} of ${user} changes ${text}`, [text]);
  }

  private see(user: string, filters: WorldScope['filters'], text: string, state: ObjectState | null): void {
    const visible = this.wasVisible.get(user) ?? new Set();
    this.wasVisible.set(user, visible);
    if (isSelected(filters, text, state)) visible.add(text);
  }

  private fail(promise: string, detail: string, texts: readonly string[]): void {
    this.options.broken(new InvariantError(promise, detail, texts.map(shownName)));
  }
}

/** The parts of a message that names of objects do not belong in, as a text. */
export const otherTextOf = (message: object, named: readonly string[]): string =>
  JSON.stringify(Object.fromEntries(Object.entries(message).filter(([field]) => !named.includes(field))));
