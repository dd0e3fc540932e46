import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const firstBlockOf = (markdown: string): string => /^```ts\n[\s\S]*?^```$/m.exec(markdown)?.[0] ?? '';

/** Returns the rows of a table of the README, as cells. */
const rowsOf = (markdown: string, head: string): readonly (readonly string[])[] => {
  const lines = markdown.split('\n');
  const first = lines.indexOf(head) + 2;
  const end = lines.findIndex((line, index) => index > first && !line.startsWith('|'));
  return lines.slice(first, end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
};

/** The pages that answer the questions of the README. */
const answers: readonly string[] = ['waiting', 'connection', 'connection', 'waiting', 'errors'];

const cardOf = ([question = '', answer = '']: readonly string[], page = 'start'): string =>
  `<a class="question" href="./${page}.html">\n\n**${question}**\n\n${answer}\n\n</a>`;

const boardText =
  'The task board on two devices side by side, each with a switch for its network and the marble diagram of its session.';

/** Returns the picture in the colours that the reader has chosen. */
const pictureOf = (name: string, text: string): string =>
  ['light', 'dark']
    .map((color) => `<img class="home-picture only-${color}" src="/images/${name}-${color}.png" alt="${text}">`)
    .join('\n');

/** Returns the home page. Its example and its questions are those of the README. */
export const createHomePage = (root: string): string => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const template = readFileSync(join(root, 'site', 'home.md'), 'utf8');
  const questions = rowsOf(readme, '| Question | Answer |').map((row, index) => cardOf(row, answers[index]));
  return template
    .replace('<!-- first example -->', () => firstBlockOf(readme))
    .replace('<!-- questions -->', () => `<div class="questions">\n\n${questions.join('\n')}\n\n</div>`)
    .replace('<!-- picture -->', () => pictureOf('board', boardText));
};
