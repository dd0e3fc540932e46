import type { ExampleWorld } from './example-world.js';

/** The steps of a page: what happens around the program, by the comment of the page that says so. */
type Steps = Readonly<Record<string, () => unknown>>;

const expectCount = (actual: number, expected: number): void => {
  if (actual !== expected) throw new Error(`Expected ${expected}, received ${actual}.`);
};

/**
 * Steps of the pages: the network goes down, time passes, the server answers. In its page a step is a comment in a line
 * of its own. The runner runs the step there.
 */
export const steps: Readonly<Record<string, (world: ExampleWorld) => Steps>> = {
  'docs/coming-from-realm.md': ({ network, passTime, settle }) => ({
    'After the network has gone down:': network.goDown,
    'When the network is back:': network.comeBack,
    'When the server has answered:': () => passTime(10),
    'A moment later:': settle,
    'A moment later, on the same connection:': settle,
  }),

  'docs/connection.md': ({ network, passTime, settle }) => {
    let attempts = 0;
    return {
      'After the network has gone down:': network.goDown,
      'One second later, after another attempt:': () => passTime(1_000),
      'When the network is back:': network.comeBack,
      'A moment later:': async () => {
        await settle();
        attempts = network.countAttempts();
      },
      'A moment later, on the same connection:': async () => {
        await settle();
        expectCount(network.countAttempts(), attempts);
      },
    };
  },

  'docs/errors.md': ({ denied, network, passTime, settle }) => {
    denied.add('board');
    return {
      'The user has access now:': () => denied.delete('board'),
      'A moment later:': settle,
      'After six minutes without a network:': async () => {
        network.goDown();
        await passTime(360_000);
        network.comeBack();
      },
    };
  },

  'docs/progress.md': ({ network, passTime }) => ({
    'While the network is down:': network.goDown,
    'When the network is back:': async () => {
      network.comeBack();
      await passTime(10_000);
    },
  }),

  'docs/sync-state.md': ({ network }) => ({
    'While the network is down:': network.goDown,
    'When the network is back:': network.comeBack,
  }),

  'docs/tokens.md': ({ login, passTime, settle }) => {
    let requests = 0;
    return {
      'An hour later the token has expired, and the client calls `accessToken`:': async () => {
        requests = login.requests;
        login.hold();
        await passTime(3_600_000);
        expectCount(login.requests, requests + 1);
      },
      'When the login server has answered:': async () => {
        login.release();
        await settle();
        expectCount(login.requests, requests + 1);
      },
      'While the session is connected:': settle,
      'While the login server answers 401:': () => (login.status = 401),
      'A moment later:': settle,
    };
  },

  'docs/waiting.md': ({ network, passTime }) => ({
    'While the network is down:': network.goDown,
    'Five seconds later:': () => passTime(5_000),
    'When the network is back:': async () => {
      network.comeBack();
      await passTime(10_000);
    },
    'While acknowledgements are lost:': network.loseAcknowledgements,
    'Thirty seconds after the write:': () => passTime(30_000),
    'Sixty seconds after the write:': () => passTime(30_000),
    'One second later:': () => passTime(1_000),
  }),
};
