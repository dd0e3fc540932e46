import { readFile } from 'node:fs/promises';

/** Reads a file of keys, as the answer to a request. */
export const readKeyFile = async (file: string): Promise<Response> => new Response(await readFile(file));
