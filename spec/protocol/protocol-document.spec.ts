import { firstValueFrom, Subject } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { createFilterTest } from '../../lib/filter/filter-test.js';
import { readFilter } from '../../lib/filter/read-filter.js';
import { keyName } from '../../lib/filter/stored-filter.js';
import { decodeOperations, encodeOperations } from '../../lib/merge/operation-codec.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import { operationStampOf } from '../../lib/merge/timestamp.js';
import { decodeState, encodeState } from '../../lib/merge/state-codec.js';
import { decodeValue, encodeValue } from '../../lib/model/msgpack.js';
import type { Value } from '../../lib/model/value.js';
import { limits } from '../../lib/model/limits.js';
import { serverLimits } from '../../lib/server/server-limits.js';
import { isLeft, right, type Either } from '../../lib/model/result.js';
import { decodeClient, decodeServer, encodeClient, encodeServer } from '../../lib/protocol/codec.js';
import { clientLayouts, serverLayouts } from '../../lib/protocol/message-layouts.js';
import { closeCodes, wireErrorCodes, type ClientMessage, type ServerFrame } from '../../lib/protocol/messages.js';
import { serverWire } from '../../lib/protocol/message-wire.js';
import { createSyncServer, type SyncServer } from '../../lib/server/sync-server.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { ConnectionError } from '../../lib/transport/wire.js';
import { codeBlocksOf, parseHex, tablesOf, parseValue } from './protocol-page.js';

const valueOf = <A>(either: Either<string, A>): A => {
  if (isLeft(either)) throw new Error(either.left);
  return either.right;
};

/** Decodes a frame and encodes it again. */
const through = (from: string, frame: Uint8Array): { message: ClientMessage | ServerFrame; frame: Uint8Array } => {
  if (from === 'S') {
    const message = valueOf(decodeServer(frame));
    return { message, frame: encodeServer(message) };
  }
  const message = valueOf(decodeClient(frame));
  return { message, frame: encodeClient(message) };
};

interface FrameLine {
  readonly path: string;
  readonly from: string;
  readonly frame: Uint8Array;
  readonly type: string | undefined;
  readonly fields: string | undefined;
}

const frameLine = /^(\S)→(\S) (?:hex ([0-9a-f]+)|(\[.*\]))(?: = (\w+) (\{.*\}))?$/;

const frameOf = (path: string, text: string): FrameLine => {
  const [matched, from = '', , hex, array = '', type, fields] = frameLine.exec(text) ?? [];
  if (matched === undefined) throw new Error(`${path}: not a frame: ${text}`);
  return { path, from, frame: hex === undefined ? encodeValue(parseValue(array)) : parseHex(hex), type, fields };
};

const frames = codeBlocksOf('frames').flatMap(({ line, text }) =>
  text
    .trim()
    .split('\n')
    .map((each, n) => frameOf(`line ${line + n + 1}`, each)),
);

type Layouts = Readonly<Record<string, { readonly kind: number; readonly fields: object }>>;

describe('docs/PROTOCOL.md', () => {
  it.each(frames.map((each) => [each.path, each] as const))(
    'shows a frame that encodes the message beside it, %s',
    (_, each) => {
      const { message } = through(each.from, each.frame);
      expect(message).toEqual({ type: each.type, ...(parseValue(each.fields ?? '{}') as object) });
    },
  );

  it('shows a frame of every kind', () => {
    const shown = new Set(frames.map(({ from, type }) => `${from} ${type ?? ''}`));
    const all = [
      ...Object.keys(clientLayouts).map((type) => `C ${type}`),
      ...Object.keys(serverLayouts).map((type) => `S ${type}`),
    ];
    expect([...shown].sort()).toEqual(all.sort());
  });

  it.each([
    ['Client to server', clientLayouts],
    ['Server to client', serverLayouts],
  ])('lists kinds and fields as they are: %s', (title, layouts) => {
    const rows = tablesOf(title).slice(1);
    const listed = rows.map(([kind, name, fields = '']) => [
      Number(kind),
      name,
      ...fields.split(', ').map((field) => field.split(' ')[0]),
    ]);
    const known = Object.entries(layouts as Layouts).map(([name, { kind, fields }]) => [
      kind,
      name,
      ...Object.keys(fields),
    ]);
    expect(listed).toEqual(known);
  });

  it('gives each limit its value', () => {
    const values: Record<string, number> = { ...limits, ...serverLimits };
    const rows = tablesOf('Limits').slice(1);
    expect(rows.map(([name, value]) => [name, Number(value)])).toEqual(rows.map(([name = '']) => [name, values[name]]));
    const named = rows.map(([name]) => name);
    expect(named).toEqual(expect.arrayContaining(['frameBytesMax', 'pagesInFlightMax', 'marksWaitingMax']));
  });

  it('has every error code and every close code', () => {
    const rows = tablesOf('Errors and close codes');
    const errors = rows.slice(
      1,
      rows.findIndex(([, name]) => name === 'Name'),
    );
    const closes = rows.slice(rows.findIndex(([, name]) => name === 'Name') + 1);
    expect(errors.map(([code]) => code).sort()).toEqual([...wireErrorCodes].sort());
    const named = closes.filter(([, name]) => name !== '').map(([code, name]) => [name, Number(code)]);
    expect(Object.fromEntries(named)).toEqual(closeCodes);
  });

  it('shows bodies that replicas decode and encode', () => {
    const lines = codeBlocksOf('operations').flatMap(({ text }) => text.trim().split('\n'));
    expect(lines.length).toBeGreaterThan(1);
    lines.forEach((line) => {
      const [hex = '', array = ''] = line.split(' = ');
      expect(decodeValue(parseHex(hex))).toEqual(right(parseValue(array)));
      expect(decodeValue(encodeOperations(valueOf(decodeOperations(parseHex(hex)))))).toEqual(right(parseValue(array)));
    });
  });
});

describe('the filters of docs/PROTOCOL.md', () => {
  const examples = codeBlocksOf('filters').flatMap(({ text }) => text.trim().split('\n'));

  it.each(examples)('are read and evaluated as the page shows: %s', (line) => {
    const [given = '', matches = ''] = line.split(' = ');
    const [key, values, filter] = parseValue(given) as readonly [string, Readonly<Record<string, Value>>, unknown];
    const test = createFilterTest(valueOf(readFilter(filter)));
    expect(String(test((property) => (property === keyName ? key : (values[property] ?? null))))).toBe(matches);
  });

  it('show every operator', () => {
    const shown = examples.flatMap((line) => [...line.matchAll(/\["([a-z]+)"/g)].map(([, operator]) => operator));
    expect(shown).toEqual(expect.arrayContaining(['and', 'or', 'not', 'in', 'gt', 'gte', 'lt']));
  });
});

type Row = readonly [time: number, count: number, replica: string, operations: unknown];

describe('the states of docs/PROTOCOL.md', () => {
  it.each(codeBlocksOf('states').map(({ line, text }) => [line, text.trim().split('\n')] as const))(
    'field report E-11: result from their changesets, in either order, line %i',
    (_, lines) => {
      const state = parseValue((lines.at(-1) ?? '').replace(/^= /, ''));
      const rows = lines.slice(0, -1).map((line) => parseValue(line) as Row);
      for (const order of [rows, rows.toReversed()]) {
        let made: ObjectState | undefined;
        for (const [time, count, replica, operations] of order)
          valueOf(decodeOperations(encodeValue(operations))).forEach((operation, index) => {
            made = applyOperation(made, operation, operationStampOf({ time, count }, replica, index));
          });
        expect(decodeState(encodeState(made!))).toEqual(decodeState(encodeValue(state))); // Entries may come in any order.
      }
      expect(encodeState(valueOf(decodeState(encodeValue(state))))).toEqual(encodeValue(state));
    },
  );

  it('field report E-11: show every operation', () => {
    const shown = codeBlocksOf('operations').flatMap(({ text }) =>
      text
        .trim()
        .split('\n')
        .flatMap((line) =>
          (parseValue(line.split(' = ')[1] ?? '') as readonly (readonly unknown[])[]).map(([kind]) => kind),
        ),
    );
    expect([...new Set(shown)].sort((a, b) => Number(a) - Number(b))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });
});

/** The elements of a `bind` that servers without views read: the kind and the fields before `view`. */
const bindElementsMax = Object.keys(clientLayouts.bind.fields).length;

/** Removes from a frame what a server without views skips. */
const withoutView = (frame: Uint8Array): Uint8Array => {
  const elements = valueOf(decodeValue(frame)) as readonly unknown[];
  return encodeValue(elements[0] === clientLayouts.bind.kind ? elements.slice(0, bindElementsMax) : elements);
};

/** One connection of a conversation: the messages sent, and those received in order, with the end last. */
const connect = (server: SyncServer) => {
  const sent = new Subject<Uint8Array>();
  const left: string[] = [];
  let arrived = new Subject<void>();
  const addReceived = (text: string): void => {
    left.push(text);
    arrived.next();
  };
  const line = serverWire(server.wire)(sent).subscribe({
    next: (frame) => addReceived(JSON.stringify(valueOf(decodeValue(frame)), bytesInHex)),
    error: (thrown: unknown) => addReceived(endOf(thrown)),
    complete: () => addReceived('closes 1000'),
  });
  const next = async (): Promise<string> => {
    if (left.length === 0) await firstValueFrom((arrived = new Subject()));
    return left.shift() ?? '';
  };
  return { sentFrame: sent, line, next, left };
};

const endOf = (thrown: unknown): string =>
  thrown instanceof ConnectionError && thrown.failure.kind === 'closed'
    ? `closes ${thrown.failure.code}`
    : String(thrown);

const bytesInHex = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array ? `h'${Buffer.from(value).toString('hex')}'` : value;

const textOf = (text: string): string =>
  text.startsWith('closes') ? text : JSON.stringify(parseValue(text), bytesInHex);

describe('the conversations of docs/PROTOCOL.md', () => {
  const conversations = codeBlocksOf('conversation').map(({ line, text }) => [line, text.split('\n')] as const);

  it.each(conversations)('are what the server answers, line %i', async (at, lines) => {
    const clock = { ...systemClock, random: () => 0, now: () => 1_763_884_800_000 };
    const server = createSyncServer({ storage: memoryStorage(), clock });
    const lineOf = new Map<string, ReturnType<typeof connect>>();
    let hasViews = true;
    const connection = (name: string) => {
      const known = lineOf.get(name) ?? connect(server);
      lineOf.set(name, known);
      return known;
    };
    for (const [n, text] of lines.filter((each) => each.trim() !== '').entries()) {
      const [, from = '', to = '', words = ''] = /^(\S)→(\S) (.*)$/.exec(text) ?? [];
      if (text === 'S ends') void server.close();
      else if (text === 'S knows no views') hasViews = false;
      else if (text.endsWith(' breaks')) connection(text.charAt(0)).line.unsubscribe();
      else if (to === 'S') {
        const frame = encodeValue(parseValue(words));
        connection(from).sentFrame.next(hasViews ? frame : withoutView(frame));
      } else expect([at, n, await connection(to).next()]).toEqual([at, n, textOf(words)]);
    }
    lineOf.forEach(({ line, left }) => {
      line.unsubscribe();
      expect(left).toEqual([]);
    });
    await server.close();
  });
});
