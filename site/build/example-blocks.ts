import type { Example } from '../../spec/example-compiler.js';
import { pageNameOf } from './guides.js';

/** Puts each block of a program that runs in the reader's browser into a component with a button. */
export const wrapExamples = (page: string, markdown: string, programs: ReadonlyMap<number, Example>): string => {
  const lines = markdown.split('\n');
  for (const [program, { blockLines }] of programs) {
    for (const [block, line] of blockLines.entries()) {
      const first = line - 1;
      const last = lines.findIndex((text, index) => index > first && text.trim() === '```');
      const place = `page="${pageNameOf(page)}" :program="${program}" :block="${block}"`;
      // Each line stays in its place, because the lines of further blocks are counted from the beginning.
      lines[first] = `<ExampleBlock ${place}>\n\n${lines[first] ?? ''}`;
      lines[last] = '```\n\n</ExampleBlock>';
    }
  }
  return lines.join('\n');
};
