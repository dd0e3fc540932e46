/*
 * `npm run behaviours` lists every id of docs/behaviours.md with the tests whose titles begin with it. It fails for an
 * id without a test, unless the page marks the id as open, and for an id in a title that is not on the page. The ids of
 * field reports, such as E-2, are only compared with the page. Invariants and edge cases of subscriptions are named
 * anywhere in the titles of tests and of groups, such as `edge cases 23 and 25`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const page = readFileSync('docs/behaviours.md', 'utf8');
const rows = [...page.matchAll(/^\| ([SCRWPEV]\d{1,2}|(?:invariant|edge case) \d+)( \\\*)? +\| (.*?) +\|$/gm)];
const behaviours = rows.map(([, id, star, text]) => ({
  id,
  star: star !== undefined,
  text,
  open: /\(open: issue (\d+)\)/.exec(text)?.[1] ?? null,
}));

/** Whether this is `it` or an `it.each(…)`, whose next argument is a title. */
const isTest = (callee) =>
  (ts.isIdentifier(callee) && (callee.text === 'it' || callee.text === 'test')) ||
  (ts.isCallExpression(callee) &&
    ts.isPropertyAccessExpression(callee.expression) &&
    callee.expression.name.text === 'each' &&
    ts.isIdentifier(callee.expression.expression) &&
    callee.expression.expression.text === 'it');

/** Whether this is `describe` or a `describe.each(…)`. */
const isGroup = (callee) =>
  (ts.isIdentifier(callee) && callee.text === 'describe') ||
  (ts.isCallExpression(callee) &&
    ts.isPropertyAccessExpression(callee.expression) &&
    callee.expression.getText().startsWith('describe.'));

/** Returns the invariants and edge cases that a title names, such as `invariant 9`. */
const detailsIn = (title) =>
  [...title.matchAll(/\b(invariant|edge case)s? (\d+(?:(?:, | and )\d+)*)/gi)].flatMap(([, kind, numbers]) =>
    numbers.match(/\d+/g).map((number) => `${kind.toLowerCase()} ${number}`),
  );

const titlesIn = (file) => {
  const titles = [];
  const groups = [];
  const visit = (node) => {
    const [title] = ts.isCallExpression(node) ? node.arguments : [];
    if (title && ts.isStringLiteralLike(title)) {
      if (isTest(node.expression)) titles.push(title.text);
      else if (isGroup(node.expression)) groups.push(title.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true));
  return { titles, groups };
};

const covered = new Map();
const reported = new Set();
for (const name of readdirSync('spec', { recursive: true })) {
  if (!name.endsWith('.spec.ts')) continue;
  const file = join('spec', name);
  const { titles, groups } = titlesIn(file);
  for (const title of [...groups, ...titles])
    for (const id of detailsIn(title)) covered.set(id, [...(covered.get(id) ?? []), `${file}: ${title}`]);
  for (const title of titles) {
    const [ids] = /^([SCRWPEV]\d{1,2} )*/.exec(title);
    for (const [id] of ids.matchAll(/\S+/g)) covered.set(id, [...(covered.get(id) ?? []), `${file}: ${title}`]);
    for (const [id] of title.matchAll(/\b[A-H]-\d{1,2}\b|(?<=field report )[A-H]\d+/g)) reported.add(id);
  }
}

const missing = [];
for (const { id, star, text, open } of behaviours) {
  const tests = covered.get(id) ?? [];
  console.log(`${id}${star ? '*' : ''}  ${text}`);
  for (const test of tests) console.log(`      ${test}`);
  if (tests.length > 0) continue;
  if (open === null) missing.push(id);
  console.log(open === null ? '      NO SPEC' : `      open: issue ${open}`);
}

const known = new Set(behaviours.map(({ id }) => id));
const knownReports = new Set([...page.matchAll(/^\| ([A-H]-\d{1,2}) \| /gm)].map(([, id]) => id));
const unknown = [
  ...[...covered.keys()].filter((id) => !known.has(id)),
  ...[...reported].filter((id) => !knownReports.has(id)),
];
const isOpen = behaviours.filter(({ id, open }) => open !== null && !covered.has(id));
console.log(
  `\n${behaviours.length} behaviours: ${behaviours.length - missing.length - isOpen.length} covered, ${isOpen.length} open, ${missing.length} without a spec${missing.length > 0 ? `: ${missing.join(', ')}` : ''}`,
);
if (unknown.length > 0) console.error(`named by specs and not on the page: ${unknown.join(', ')}`);
if (behaviours.length === 0 || missing.length > 0 || unknown.length > 0) process.exitCode = 1;
