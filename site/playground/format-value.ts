/** Milliseconds around the present in which a number is shown as a time. */
const nearMs = 100 * 86_400_000;

const formatTime = (ms: number, now: number): string => {
  const distance = Math.abs(ms - now)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, '_');
  return ms === now ? 'Date.now()' : `Date.now() ${ms < now ? '-' : '+'} ${distance}`;
};

const formatText = (text: string): string => {
  const quote = text.includes("'") ? '"' : "'";
  return quote + text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`) + quote;
};

const formatEntries = (value: object, now: number): string =>
  Object.entries(value)
    .map(([name, entry]) => `${/^[\w$]+$/.test(name) ? name : formatText(name)}: ${formatValue(entry, now)}`)
    .join(', ');

/** Formats a value as the comments of the guides do. Numbers close to the present are shown as times. */
export const formatValue = (value: unknown, now: number): string => {
  if (typeof value === 'string') return formatText(value);
  if (typeof value === 'number') return Math.abs(value - now) < nearMs ? formatTime(value, now) : String(value);
  if (typeof value === 'function') return '() => …';
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date) return `new Date(${formatText(value.toISOString())})`;
  if (value instanceof Set) return `new Set(${formatValue([...value], now)})`;
  if (value instanceof Map) return `new Map(${formatValue([...value], now)})`;
  if (value instanceof Uint8Array) return `Uint8Array [${[...value].join(', ')}]`;
  if (Array.isArray(value)) return `[${value.map((entry) => formatValue(entry, now)).join(', ')}]`;
  const entries = formatEntries(value, now);
  return entries === '' ? '{}' : `{ ${entries} }`;
};
