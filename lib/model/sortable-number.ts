/** Number of base-36 digits that hold every whole number up to 2^53. */
export const sortableDigits = 11;

/** Returns a whole number as text for a storage key: with leading zeros, the order of texts is the order of numbers. */
export const sortableTextOf = (value: number): string => value.toString(36).padStart(sortableDigits, '0');
