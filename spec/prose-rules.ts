import ts from 'typescript';
import type { Source } from './parsed-source.js';

/** Findings, each with its place and its fault. */
type Findings = readonly string[];

const lineWidthMax = 120;
/** Most words of a first sentence. About 20 are meant; a name in code counts as one. */
const firstSentenceWordsMax = 28;

interface BannedWord {
  readonly pattern: RegExp;
  readonly instead: string;
}

const ban = (words: string, instead: string): BannedWord => ({
  pattern: new RegExp(String.raw`(?<![\w$-])(?:${words})(?![\w$])`, 'i'),
  instead,
});

/** Words that a reader from outside has to translate, and their replacements. Source: docs/GLOSSARY.md. */
export const bannedWords: readonly BannedWord[] = [
  ban('somebody|nobody|whoever|whomever|anybody|everybody', 'the actor: app, client, server, replica, user'),
  ban('whom', 'the actor: app, client, server, replica, user'),
  ban('he|him|his|she|her', 'the actor: app, client, server, replica, user'),
  ban(
    'desks?|doorm[ae]n|doors?|mouths?|ears?|guests?|staff|weather|lanes?|talks?|judges?|judged',
    'the term of the glossary',
  ),
  ban('sightings?|horizons?|upkeep|nudges?|nudged|redials?|redialed|redialled', 'the term of the glossary'),
  ban('torn', 'corrupt, incomplete'),
  ban('told|tells?|telling|heard|hears?|said', 'notify, send, receive, log, report'),
  ban('lets? go of|letting go of', 'close, unsubscribe, release'),
  ban('hangs? up|hung up|hanging up', 'close'),
  ban('in the place of', 'replaces, instead of'),
  ban('on the spot', 'synchronously, immediately'),
  ban('to heart|to the letter', 'applies, exactly'),
  ban('makes? no sense|made no sense', 'is invalid'),
  ban('is none|are none|that is no [a-z]+', 'is not a'),
  ban('so many|so much', 'this many, this much'),
  ban('is said|are said', 'is sent'),
  ban('starts? over|started over|starting over|anew', 'client reset, again'),
  ban('refusals?|refused|refuses?|refusing', 'rejected write, rejected connection, invalid token'),
  ban('on its way|on their way', 'in flight, pending'),
  ban('dealt with', 'handled, processed'),
];

/** Removes code, quoted text and links, which keep their words: they are names of other things. */
const withoutCode = (text: string): string =>
  text
    .replace(/`[^`]*`/g, ' x ')
    .replace(/"[^"\n]*"/g, ' x ')
    .replace(/'[^'\n ]*'/g, ' x ')
    .replace(/\]\([^)]*\)/g, '] ');

const bannedIn = (text: string): Findings =>
  bannedWords.flatMap(({ pattern, instead }) => {
    const found = pattern.exec(withoutCode(text));
    return found === null ? [] : [`says "${found[0]}": ${instead}`];
  });

interface Comment {
  readonly line: number;
  readonly text: string;
  readonly isDoc: boolean;
}

/** Returns all comments of a file, each once, except instructions of tools (`prettier-ignore`, `eslint-disable`). */
const commentsOf = ({ text, tree }: Source): readonly Comment[] => {
  const found = new Map<number, Comment>();
  const visit = (node: ts.Node): void => {
    const ranges = [
      ...(ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.getEnd()) ?? []),
    ];
    for (const { pos, end } of ranges) {
      const raw = text.slice(pos, end);
      if (/^\/[/*]\s*(eslint|prettier|@ts|<reference)/.test(raw)) continue;
      found.set(pos, {
        line: tree.getLineAndCharacterOfPosition(pos).line + 1,
        text: raw.replace(/^\/\*\*?|\*\/$|^\/\//g, '').replace(/^\s*\* ?/gm, ''),
        isDoc: raw.startsWith('/**'),
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  visit(tree.endOfFileToken);
  return [...found.values()].sort((a, b) => a.line - b.line);
};

/** Returns the text up to the end of the first sentence, to the first tag or to the first empty line. */
const firstSentenceOf = (text: string): string => {
  const summary = text.trim().split(/\n\s*\n|\n\s*@|^@/, 1)[0] ?? '';
  const whole = withoutCode(summary).replace(/\s+/g, ' ').trim();
  return /^.*?[.:](?= |$)/.exec(whole)?.[0] ?? whole;
};

const wordsOf = (sentence: string): number => sentence.split(/\s+/).filter((word) => /\w/.test(word)).length;

const openingOf = (sentence: string): Findings => {
  const opening = /^(what|who|whom|whose|how)\b/i.exec(sentence);
  return opening === null ? [] : [`opens with "${opening[0]}": begin with a verb or a noun`];
};

const summaryOf = ({ text, isDoc }: Comment): Findings => {
  if (!isDoc) return [];
  const sentence = firstSentenceOf(text);
  const words = wordsOf(sentence);
  return [
    ...openingOf(sentence),
    ...(words > firstSentenceWordsMax
      ? [`has a first sentence of ${words} words: at most ${firstSentenceWordsMax}`]
      : []),
  ];
};

/** Checks the comments of a file. */
export const checkComments = (source: Source): Findings => {
  const long = source.text
    .split('\n')
    .flatMap((line, at) =>
      /^\s*(\*|\/\/|\/\*)/.test(line) && line.length > lineWidthMax
        ? [`${source.path}:${at + 1} is wider than ${lineWidthMax} columns`]
        : [],
    );
  const found = commentsOf(source).flatMap((comment) =>
    [...bannedIn(comment.text), ...summaryOf(comment)].map((fault) => `${source.path}:${comment.line} ${fault}`),
  );
  return [...long, ...found];
};

const isErrorName = (name: string): boolean => /(Error|Failure|Violation)$/.test(name);

/** Returns the texts of errors: string arguments of `new …Error(…)` and `create…Error(…)`. */
const errorTextsOf = ({ tree }: Source): readonly { readonly line: number; readonly text: string }[] => {
  const found: { line: number; text: string }[] = [];
  const add = (node: ts.Node): void => {
    const text = ts.isStringLiteralLike(node)
      ? node.text
      : ts.isTemplateExpression(node)
        ? node
            .getText(tree)
            .slice(1, -1)
            .replace(/\$\{[^}]*\}/g, 'x')
        : undefined;
    if (text?.includes(' ') === true)
      found.push({ line: tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1, text });
    else if (ts.isConditionalExpression(node)) [node.whenTrue, node.whenFalse].forEach(add);
  };
  const visit = (node: ts.Node): void => {
    if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && isErrorName(node.expression.getText(tree)))
      node.arguments?.forEach(add);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
};

/** Checks the texts of errors of a file. */
export const checkErrorTexts = (source: Source): Findings =>
  errorTextsOf(source).flatMap(({ line, text }) => bannedIn(text).map((fault) => `${source.path}:${line} ${fault}`));

/** Returns the titles of specs: the first arguments of `describe`, `it` and their `each`. */
const titlesOf = ({ tree }: Source): readonly ts.Node[] => {
  const found: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(describe|it)(\.each)?\b/.test(node.expression.getText(tree))) {
      const [title] = node.arguments;
      if (title && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title))) found.push(title);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
};

/** Checks the titles of the specs of a file. Ids of behaviours and field reports may precede a title. */
export const checkTitles = (source: Source): Findings =>
  titlesOf(source).flatMap((title) => {
    const text = title.getText(source.tree).slice(1, -1);
    const line = source.tree.getLineAndCharacterOfPosition(title.getStart(source.tree)).line + 1;
    const withoutIds = text.replace(/^(field report [A-H]-\d+(, [A-H]-\d+)*: |([A-Z]\d+ )+)/, '');
    return [...bannedIn(text), ...openingOf(withoutIds)].map((fault) => `${source.path}:${line} ${fault}`);
  });

/** Checks a Markdown document, except for its blocks of code. */
export const checkDocument = (path: string, text: string): Findings => {
  let isCode = false;
  return text.split('\n').flatMap((line, at) => {
    if (line.trimStart().startsWith('```')) isCode = !isCode;
    if (isCode) return [];
    return bannedIn(line).map((fault) => `${path}:${at + 1} ${fault}`);
  });
};
