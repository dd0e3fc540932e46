import { readFileSync } from 'node:fs';

/** docs/PROTOCOL.md, as its specs read it. */
export const protocolPage = readFileSync('docs/PROTOCOL.md', 'utf8');

/** The fenced blocks of a language, each with the line of its fence. */
export const codeBlocksOf = (language: string): readonly { readonly line: number; readonly text: string }[] =>
  [...protocolPage.matchAll(/^```(\S+)\n([\s\S]*?)^```$/gm)]
    .filter(([, mark]) => mark === language)
    .map(({ index, 2: text = '' }) => ({ line: protocolPage.slice(0, index).split('\n').length, text }));

/** JSON in which bytes are `h'…'`. */
export const parseValue = (text: string): unknown =>
  JSON.parse(text.replace(/h'([0-9a-f]*)'/g, '"\\u0000$1"'), (_, value: unknown) =>
    typeof value === 'string' && value.startsWith('\u0000')
      ? Uint8Array.from(Buffer.from(value.slice(1), 'hex'))
      : value,
  );

export const parseHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** The tables of a section: rows of cells, the head and its line left out. */
export const tablesOf = (title: string): readonly (readonly string[])[] => {
  const start = protocolPage.indexOf(`# ${title}\n`);
  if (start < 0) throw new Error(`no section ${title}`);
  const body = protocolPage.slice(start + 1);
  const section = body.slice(0, body.search(/\n##/) < 0 ? undefined : body.search(/\n##/));
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('|---'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
};
