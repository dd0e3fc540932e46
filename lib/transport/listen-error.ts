/** The address that a listener was given. */
interface ListenAddress {
  readonly port: number;
  readonly host?: string;
}

/** A sentence that says what happened, and one that says what to do, by the code of Node's error. */
const sentences: Readonly<Record<string, (at: ListenAddress) => readonly [fact: string, advice: string]>> = {
  EADDRINUSE: ({ port }) => [
    `Port ${port} is in use`,
    'Stop the program that listens on the port, or choose another port.',
  ],
  EACCES: ({ port }) => [`This user may not listen on port ${port}`, 'Choose a port from 1024 to 65535.'],
  EADDRNOTAVAIL: ({ host = '' }) => [`${host} is not an address of this machine`, 'Use 127.0.0.1, or leave host out.'],
  ENOTFOUND: ({ host = '' }) => [
    `The host ${host} was not found`,
    'Use an address of this machine, such as 127.0.0.1.',
  ],
};

/** Converts an error of Node to one that says what to do, with the same code. Other errors are returned unchanged. */
export const toListenError = (thrown: Error & { readonly code?: unknown }, address: ListenAddress): Error => {
  const code = String(thrown.code);
  const found = Object.hasOwn(sentences, code) ? sentences[code]?.(address) : undefined;
  if (found === undefined) return thrown;
  const [fact, advice] = found;
  return Object.assign(new Error(`${fact} (${code}). ${advice}`, { cause: thrown }), { code });
};
