import { readFileSync } from 'node:fs';

/** The text of docs/PROTOCOL.md. */
export const protocolPage = readFileSync('docs/PROTOCOL.md', 'utf8');

/** Returns the fenced blocks of a language, each with the line of its fence. */
export const codeBlocksOf = (language: string): readonly { readonly line: number; readonly text: string }[] =>
  [...protocolPage.matchAll(/^```(\S+)\n([\s\S]*?)^```$/gm)]
    .filter(([, mark]) => mark === language)
    .map(({ index, 2: text = '' }) => ({ line: protocolPage.slice(0, index).split('\n').length, text }));

/** Parses JSON in which bytes are written as `h'…'`. */
export const parseValue = (text: string): unknown =>
  JSON.parse(text.replace(/h'([0-9a-f]*)'/g, '"\\u0000$1"'), (_, value: unknown) =>
    typeof value === 'string' && value.startsWith('\u0000')
      ? Uint8Array.from(Buffer.from(value.slice(1), 'hex'))
      : value,
  );

export const parseHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** Returns the tables of a section: rows of cells, without the head and the line under it. */
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
