import fc from 'fast-check';
import { diagramsOf } from '../../sim/diagram.js';
import type { Seen } from '../../sim/world.js';

const seenAt = (at: number, row: string, ...values: readonly string[]): readonly Seen[] =>
  values.map((value) => ({ at, row, value }));

/** What a drawing says: its rows by name, its times, and its values by letter. */
const readIn = (drawing: string) => {
  const [above = '', below = ''] = drawing.split('\n\n');
  const [columns = '', letters = ''] = below.split('\n');
  const rows = above.split('\n').filter((line) => line !== '');
  const legend = letters
    .replace('letters: ', '')
    .split(', ')
    .map((each) => [each[0]!, each.slice(2)] as const);
  return { rows, columns, legend };
};

describe('the drawing of what was seen', () => {
  it('has a row for each stream and wire, a column for each moment, and says what letters mean', () => {
    const seen = [
      ...seenAt(0, 'wire 1', 'call'),
      ...seenAt(12, '1 connection', 'connecting', 'connected'),
      ...seenAt(12, '1 sync', 'active'),
      ...seenAt(2_500, 'wire 1', 'cut'),
      ...seenAt(92_500, '1 connection', 'disconnected'),
    ];
    expect(diagramsOf(seen).split('\n')).toEqual([
      '1 connection --(cC)---d-',
      '1 sync       --a--------',
      'wire 1       ?------x---',
      '',
      'columns: from 0.000 s, 12ms, 2.5s, 1.5m later',
      'letters: ? call, c connecting, C connected, a active, x cut, d disconnected',
    ]);
  });

  const value = fc.constantFrom(
    ...[
      'disconnected',
      'dying',
      'down',
      'call',
      'connecting',
      'clock',
      'closed',
      'end',
      'ended',
      'error',
      '-7200',
      '-72',
    ],
    ...['(', ')', '|', '', '?', '3', '30', 'written 1', 'written 2', 'Written', 'a', 'b', '-', 'é'],
  );
  const seen = fc
    .array(fc.tuple(fc.nat(200), fc.constantFrom('wire 1', '1 sync', '1 connection', 'server'), value), {
      minLength: 1,
    })
    .map((all) => all.sort(([a], [b]) => a - b).flatMap(([at, row, what]) => seenAt(at, row, what)));

  it('gives each value a letter of its own, which is none of the signs that a drawing is made of', () => {
    fc.assert(
      fc.property(seen, (all) => {
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

  it('has no two of what is common under one letter', () => {
    const wires = ['call', 'open', 'cut', 'half-open', 'unreachable', 'end', 'closed'];
    const processes = ['killed', 'power', 'done', 'up', 'restarting', 'ended', 'backup', 'restore'];
    const states = ['disconnected', 'connecting', 'connected', 'active', 'paused', 'inactive', 'dying'];
    const { legend } = readIn(diagramsOf(seenAt(1, 'all', ...wires, ...processes, ...states)));
    expect(legend.map(([letter]) => letter).join('')).toBe('?oxhu|]kK!^rebRdcCapiy');
  });

  it('has enough letters, however many values there are', () => {
    const many = Array.from({ length: 300 }, (_, at) => `written ${at}`);
    const { legend } = readIn(diagramsOf(seenAt(1, '1 written', ...many)));
    expect(new Set(legend.map(([letter]) => letter)).size).toBe(300);
  });

  it('gives states the letters that they have in marble tests, whatever else was seen before', () => {
    const states = ['disconnected', 'connecting', 'connected', 'active', 'paused', 'inactive', 'dying'];
    const strange = ['durable', 'cold', 'Cold', 'apple', 'pear', 'idle', 'yes'];
    const { legend } = readIn(diagramsOf(seenAt(1, '1', ...strange, ...states, 'waitingForAccessToken')));
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
      fc.property(seen, (all) => {
        const drawing = diagramsOf(all);
        const { rows, legend } = readIn(drawing);
        const letterOf = new Map(legend.map(([letter, what]) => [what, letter]));
        const moments = [...new Set(all.map(({ at }) => at))].slice(-60);
        const names = [...new Set(all.filter(({ at }) => at >= moments[0]!).map(({ row }) => row))].sort();
        const width = Math.max(8, ...names.map(({ length }) => length)) + 1;
        expect(new Set(rows.map(({ length }) => length)).size).toBe(1);
        expect(rows.map((row) => row.slice(0, width).trim())).toEqual(names);
        const cells = names.map((name) =>
          moments.map((at) => {
            const letters = all
              .filter((each) => each.row === name && each.at === at)
              .map((each) => letterOf.get(each.value)!);
            return letters.length > 1 ? `(${letters.join('')})` : letters.join('');
          }),
        );
        let column = width;
        for (const index of moments.keys()) {
          const widest = Math.max(...cells.map((row) => row[index]!.length)) + 1;
          const drawn = rows.map((row) => row.slice(column, column + widest));
          expect(drawn).toEqual(cells.map((row) => row[index]!.padEnd(widest, '-')));
          column += widest;
        }
        expect(rows[0]!).toHaveLength(column);
      }),
      { numRuns: 200 },
    );
  });

  it('has the last sixty moments only, with their rows and letters only, and says from when', () => {
    const early = seenAt(1, 'early', 'power');
    const late = Array.from({ length: 60 }, (_, at) => seenAt(61_234 + at, 'late', 'cut')).flat();
    const { rows, columns, legend } = readIn(diagramsOf([...early, ...late]));
    expect(rows).toEqual([`late     ${'x-'.repeat(60)}`]);
    expect(legend).toEqual([['x', 'cut']]);
    expect(columns).toBe(`columns: from 61.234 s${', 1ms'.repeat(59)} later`);
  });

  it('says short times in milliseconds, longer ones in seconds and minutes', () => {
    const at = [0, 999, 1_999, 61_899, 121_899].map((ms) => seenAt(ms, 'row', 'cut')).flat();
    expect(readIn(diagramsOf(at)).columns).toBe('columns: from 0.000 s, 999ms, 1.0s, 59.9s, 1.0m later');
  });

  it('says so when nothing was seen', () => {
    expect(diagramsOf([])).toBe('nothing was seen');
  });
});
