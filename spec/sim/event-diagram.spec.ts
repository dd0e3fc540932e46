import fc from 'fast-check';
import { diagramsOf } from '../../sim/event-diagram.js';
import type { RecordedEvent } from '../../sim/recorded-events.js';

const eventsAt = (at: number, row: string, ...values: readonly string[]): readonly RecordedEvent[] =>
  values.map((value) => ({ at, row, value }));

/** Parses a diagram: its parts, each with rows and times, and its values by letter. */
const readIn = (drawing: string) => {
  const [above = '', below = ''] = drawing.split('letters: ');
  const blocks = above.split('\n\n').filter((block) => block !== '');
  // The rows of a part, then its columns.
  const parts: { rows: readonly string[]; columns: string }[] = [];
  let rows: readonly string[] = [];
  for (const block of blocks) {
    const [columns = '', ...more] = block.split(/\n(?=[^ ])/);
    if (!columns.startsWith('columns: ')) {
      rows = block.split('\n');
      continue;
    }
    parts.push({ rows, columns: columns.replace(/\s+/g, ' ').trim() });
    rows = more;
  }
  const legend = below
    .trim()
    .split(/,\s+(?=\S )/)
    .filter((each) => !/^and \d+ more$/.test(each))
    .map((each) => [each[0]!, each.slice(2)] as const);
  return { parts, rows: parts[0]?.rows ?? [], columns: parts[0]?.columns ?? '', legend };
};

describe('the diagram of recorded events', () => {
  it('has a row for each stream and connection, a column for each moment, and a legend', () => {
    const recorded = [
      ...eventsAt(0, 'wire 1', 'dial'),
      ...eventsAt(12, '1 connection', 'connecting', 'connected'),
      ...eventsAt(12, '1 sync', 'active'),
      ...eventsAt(2_500, 'wire 1', 'cut'),
      ...eventsAt(92_500, '1 connection', 'disconnected'),
    ];
    expect(diagramsOf(recorded).split('\n')).toEqual([
      '1 connection --(cC)---d-',
      '1 sync       --a--------',
      'wire 1       ?------x---',
      '',
      'columns: from 0.000 s, 12ms, 2.5s, 1.5m later',
      'letters: ? dial, c connecting, C connected, a active, x cut, d disconnected',
    ]);
  });

  const value = fc.constantFrom(
    ...[
      'disconnected',
      'dying',
      'down',
      'dial',
      'connecting',
      'clock',
      'closed',
      'end',
      'ended',
      'error',
      '-7200',
      '-72',
    ],
    ...['(', ')', '|', 'x y', '?', '3', '30', 'written 1', 'written 2', 'Written', 'a', 'b', '-', 'é'],
  );
  const recorded = fc
    .array(fc.tuple(fc.nat(200), fc.constantFrom('wire 1', '1 sync', '1 connection', 'server'), value), {
      minLength: 1,
    })
    .map((all) => all.sort(([a], [b]) => a - b).flatMap(([at, row, what]) => eventsAt(at, row, what)));

  it('gives each value a letter of its own, which is not one of the signs of a diagram', () => {
    fc.assert(
      fc.property(recorded, (all) => {
        const { legend } = readIn(diagramsOf(all));
        const letters = legend.map(([letter]) => letter);
        expect(new Set(letters).size).toBe(letters.length);
        expect(letters.filter((letter) => '-() '.includes(letter))).toEqual([]);
        const moments = [...new Set(all.map(({ at }) => at))].slice(-60);
        const drawn = all.filter(({ at }) => moments.includes(at)).map((each) => each.value);
        expect(legend.map(([, what]) => what).sort()).toEqual([...new Set(drawn)].sort());
      }),
      { numRuns: 300 },
    );
  });

  it('has different letters for common values', () => {
    const wires = ['dial', 'open', 'cut', 'half-open', 'unreachable', 'end', 'closed'];
    const processes = ['killed', 'power', 'done', 'up', 'restarting', 'ended', 'backup', 'restore'];
    const states = ['disconnected', 'connecting', 'connected', 'active', 'paused', 'inactive', 'dying'];
    const { legend } = readIn(diagramsOf(eventsAt(1, 'all', ...wires, ...processes, ...states)));
    expect(legend.map(([letter]) => letter).join('')).toBe('?oxhu|]kK!^rebRdcCapiy');
  });

  it('has enough letters for any number of values, and a bounded legend', () => {
    const many = Array.from({ length: 300 }, (_, at) =>
      eventsAt(at % 59, `${at % 10} written`, `written ${at}`),
    ).flat();
    const drawing = diagramsOf(many.sort((a, b) => a.at - b.at));
    const { parts, legend } = readIn(drawing);
    const drawn = parts.flatMap(({ rows }) => rows.map((row) => row.slice(10))).join('');
    const letters = Array.from(drawn).filter((letter) => !'-()'.includes(letter));
    expect(letters).toHaveLength(300);
    expect(new Set(letters).size).toBe(300);
    expect(legend).toHaveLength(60);
    expect(drawing).toMatch(/, and 240 more$/);
  });

  it('counts the events of one moment that would make the line too long', () => {
    const burst = diagramsOf(eventsAt(1, '1 writes', ...Array.from({ length: 400 }, (_, at) => `e:1:${at};`)));
    expect(burst.split('\n')[0]).toMatch(/^1 writes \(.{40}\+360\)-$/);
  });

  it('field report H-4: is at most 120 columns wide, whatever was recorded', () => {
    const long = fc.string({ minLength: 0, maxLength: 400, unit: 'grapheme-ascii' });
    const rowed = fc.tuple(fc.nat(5_000_000), fc.oneof(long, fc.constantFrom('wire 1', 'server')), long);
    fc.assert(
      fc.property(fc.array(rowed, { minLength: 1, maxLength: 300 }), (all) => {
        const ordered = all.sort(([a], [b]) => a - b).flatMap(([at, row, what]) => eventsAt(at, row, what));
        for (const line of diagramsOf(ordered).split('\n')) expect(line.length).toBeLessThanOrEqual(120);
      }),
      { numRuns: 100 },
    );
  });

  it('gives states the letters that they have in marble tests, whatever else was recorded before', () => {
    const states = ['disconnected', 'connecting', 'connected', 'active', 'paused', 'inactive', 'dying'];
    const strange = ['durable', 'cold', 'Cold', 'apple', 'pear', 'idle', 'yes'];
    const { legend } = readIn(diagramsOf(eventsAt(1, '1', ...strange, ...states, 'waitingForAccessToken')));
    expect(
      legend
        .slice(strange.length)
        .map(([letter]) => letter)
        .join(''),
    ).toBe('dcCapiyt');
    expect(legend.slice(0, 2)).toEqual([
      ['u', 'durable'],
      ['o', 'cold'],
    ]);
  });

  it('has each event in the column of its moment, and all rows of one length', () => {
    fc.assert(
      fc.property(recorded, (all) => {
        const drawing = diagramsOf(all);
        const { parts, legend } = readIn(drawing);
        const letterOf = new Map(legend.map(([letter, what]) => [what, letter]));
        const moments = [...new Set(all.map(({ at }) => at))].slice(-60);
        const names = [...new Set(all.filter(({ at }) => at >= moments[0]!).map(({ row }) => row))].sort();
        const width = Math.max(8, ...names.map(({ length }) => length)) + 1;
        for (const { rows } of parts) expect(new Set(rows.map(({ length }) => length)).size).toBe(1);
        // Joins the parts. A row that is missing in a part is empty there.
        const joined = names.map((name) =>
          parts
            .map(({ rows }) => {
              const row = rows.find((each) => each.slice(0, width).trim() === name);
              return row?.slice(width) ?? '-'.repeat(rows[0]!.length - width);
            })
            .join(''),
        );
        const cells = names.map((name) =>
          moments.map((at) => {
            const letters = all
              .filter((each) => each.row === name && each.at === at)
              .map((each) => letterOf.get(each.value)!);
            return letters.length > 1 ? `(${letters.join('')})` : letters.join('');
          }),
        );
        let column = 0;
        for (const index of moments.keys()) {
          const widest = Math.max(...cells.map((row) => row[index]!.length)) + 1;
          const drawn = joined.map((row) => row.slice(column, column + widest));
          expect(drawn).toEqual(cells.map((row) => row[index]!.padEnd(widest, '-')));
          column += widest;
        }
        expect(joined[0]!).toHaveLength(column);
      }),
      { numRuns: 200 },
    );
  });

  it('has only the last sixty moments with their rows and letters, and the time of the first', () => {
    const early = eventsAt(1, 'early', 'power');
    const late = Array.from({ length: 60 }, (_, at) => eventsAt(61_234 + at, 'late', 'cut')).flat();
    const { parts, legend } = readIn(diagramsOf([...early, ...late]));
    expect(parts).toEqual([
      { rows: [`late     ${'x-'.repeat(55)}`], columns: `columns: from 61.234 s${', 1ms'.repeat(54)} later` },
      { rows: [`late     ${'x-'.repeat(5)}`], columns: `columns: from 61.289 s${', 1ms'.repeat(4)} later` },
    ]);
    expect(legend).toEqual([['x', 'cut']]);
  });

  it('field report H-4: has the moments that concern the named objects, and not those of other objects', () => {
    const about = (at: number, row: string, what: string, ...names: readonly string[]): readonly RecordedEvent[] => [
      { at, row, value: what, about: names },
    ];
    const all = [
      ...about(1_000, '1 writes', 'e:1:1;', 'Board a'),
      ...about(1_000, '2 writes', 'e:2:1;', 'Board b'),
      ...eventsAt(2_500, 'wire 1', 'cut'),
      ...about(3_000, 'stored', 'e:2:1;', 'Board b'),
      ...about(9_000, 'stored', 'e:1:1;', 'Entry e:1:1;', 'Board a'),
      // Tokens are renewed for a long time before the check.
      ...Array.from({ length: 500 }, (_, at) => eventsAt(60_000 + at * 1_000, 'wire 2', 'end', 'dial')).flat(),
      ...eventsAt(900_000, '1 realm', 'closed'),
    ];
    const { parts, legend } = readIn(diagramsOf(all, ['Board a']));
    expect(parts).toEqual([
      {
        rows: ['1 realm  ------]-', '1 writes e-------', 'stored   ----e---', 'wire 1   --x-----'],
        columns: 'columns: from 1.000 s, 1.5s, 6.5s, 14.8m later',
      },
    ]);
    expect(legend.map(([, what]) => what)).toEqual(['e:1:1;', 'cut', 'closed']);
  });

  it('has the first and last moments of an object that is written all the time', () => {
    const all = Array.from({ length: 500 }, (_, at): readonly RecordedEvent[] => [
      { at: at * 10_000, row: '1 writes', value: 'e', about: ['Board a'] },
    ]).flat();
    const { parts } = readIn(diagramsOf(all, ['Board a']));
    const columns = parts.map((each) => each.columns).join();
    expect(parts.flatMap(({ rows }) => rows.map((row) => row.slice(9))).join('')).toBe('e-'.repeat(48));
    expect(columns).toMatch(/^columns: from 0\.000 s(, 10\.0s){7}, 75\.5m(, 10\.0s){39} later$/);
  });

  it('shows short times in milliseconds, longer ones in seconds and minutes', () => {
    const at = [0, 999, 1_999, 61_899, 121_899].map((ms) => eventsAt(ms, 'row', 'cut')).flat();
    expect(readIn(diagramsOf(at)).columns).toBe('columns: from 0.000 s, 999ms, 1.0s, 59.9s, 1.0m later');
  });

  it('reports that no events were recorded', () => {
    expect(diagramsOf([])).toBe('no events were recorded');
  });
});
