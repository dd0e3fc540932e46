/** Columns of a report, which fit a terminal and a log page of continuous integration. */
export const widthMax = 120;

/**
 * Splits a text into lines of at most `widthMax` columns, between words where possible. Continuation lines are
 * indented.
 */
export const wrapText = (text: string, indent = '    '): readonly string[] => {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > widthMax) {
    const space = rest.lastIndexOf(' ', widthMax);
    const end = space > widthMax / 2 ? space : widthMax;
    lines.push(rest.slice(0, end));
    rest = indent + rest.slice(end).trimStart();
  }
  return [...lines, rest];
};

/**
 * Formats items after a title, with commas between them, in lines of at most `widthMax` columns. Items are never split.
 */
export const formatList = (title: string, items: readonly string[], ending = ''): readonly string[] => {
  const indent = ' '.repeat(title.length);
  const lines: string[] = [];
  let line = title;
  items.forEach((item, at) => {
    const text = at === items.length - 1 ? item + (items.length > 1 ? ending : '') : `${item},`;
    const isFirst = line === title || line === indent;
    if (!isFirst && line.length + 1 + text.length > widthMax) {
      lines.push(line);
      line = indent + text;
    } else line += isFirst ? text : ` ${text}`;
  });
  return [...lines, line];
};
