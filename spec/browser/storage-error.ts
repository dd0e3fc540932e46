/** Matches a `StorageError` as a page reports it: its message contains the text. */
export const storageErrorWith = (text: string): unknown => ({
  name: 'StorageError',
  code: 'storage',
  message: expect.stringContaining(text) as unknown,
});
