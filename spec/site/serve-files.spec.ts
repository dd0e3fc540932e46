import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createFileHandler } from '../../demo/serve-files.js';

describe('the files of the task board', () => {
  it('answer an invalid address with 404, and the server goes on', async () => {
    const server = createServer(createFileHandler('demo/web/public'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const statusOf = (path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        request({ host: '127.0.0.1', port, path, agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .once('error', reject)
          .end();
      });
    const paths = ['//', '/../serve-files.ts', '/%2e%2e/serve-files.ts', `/${'a'.repeat(5_000)}`, '/favicon.svg'];
    const statuses: (number | undefined)[] = [];
    for (const path of paths) statuses.push(await statusOf(path));
    expect(statuses).toEqual([404, 404, 404, 404, 200]);
    await new Promise((resolve) => server.close(resolve));
  });
});
