/** The number of letters to insert, delete, replace or swap with their neighbours to turn one word into another. */
const distanceOf = (one: string, other: string): number => {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, at) => at)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let i = 1; i <= one.length; i += 1) {
    rows.push([i]);
    for (let j = 1; j <= other.length; j += 1) {
      const isSame = one[i - 1] === other[j - 1];
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      const least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (isSame ? 0 : 1));
      rows[i]?.push(isSwapped ? Math.min(least, at(i - 2, j - 2) + 1) : least);
    }
  }
  return at(one.length, other.length);
};

/** Longer words are not compared: they are not a misspelt name. */
const wordCharsMax = 64;

/** The known word that is nearest to an unknown one, as a question; empty when none is near. */
export const didYouMean = (word: string, known: readonly string[]): string => {
  if (word.length > wordCharsMax) return '';
  const [nearest] = known
    .map((each) => ({ each, distance: distanceOf(word.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, distance }) => distance <= Math.max(1, Math.floor(each.length / 4)))
    .sort((a, b) => a.distance - b.distance);
  return nearest === undefined ? '' : ` Did you mean ${nearest.each}?`;
};

/** The problem that `parseArgs` found, as a sentence, with the flag that is probably meant. */
export const flagProblemOf = (thrown: unknown, flags: readonly string[]): string => {
  const text = (thrown as Error).message.split('. ')[0] ?? ''; // `parseArgs` throws only errors.
  const unknown = /'--([^'=]+)/.exec(text)?.[1] ?? '';
  return `${text}.${didYouMean(unknown, flags).replace('mean ', 'mean --')}`;
};
