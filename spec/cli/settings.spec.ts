import { readFileSync } from 'node:fs';
import { parseEnvironment, parseFile, parseFlags, mergeSettings, settings } from '../../lib/cli/settings.js';
import { limits } from '../../lib/model/limits.js';

describe('a setting', () => {
  it('can be given in three equivalent ways', () => {
    const args = ['--port', '80', '--trust-proxy', '--audience', 'a, b', '--data', './d'];
    const set = { port: 80, trustProxy: true, audience: ['a', 'b'], data: './d' };
    expect(parseFlags(args).set).toEqual(set);
    expect(
      parseEnvironment({
        ...{ TIDEMARK_PORT: '80', TIDEMARK_TRUST_PROXY: 'true', TIDEMARK_AUDIENCE: 'a,b', TIDEMARK_DATA: './d' },
        ...{ TIDEMARK_HOST: '', PORT: '1' },
      }).set,
    ).toEqual(set);
    expect(parseFile('f', JSON.stringify({ ...set, audience: ['a', 'b'] }))).toEqual(set);
    expect(parseFile('f', JSON.stringify({ ...set, audience: 'a,b' }))).toEqual(set);
  });

  it.each([
    [['--inspector', '--port', '80'], { inspector: ['*'], port: 80 }],
    [['--port', '80', '--inspector'], { inspector: ['*'], port: 80 }],
    [['--inspector', 'ops,ann'], { inspector: ['ops', 'ann'] }],
  ])('of the inspector may have users, or none: %j', (args, set) => {
    expect(parseFlags(args).set).toEqual(set);
  });

  it.each([
    [['--prot', '80'], /Unknown option '--prot'/],
    [['--port', 'x'], /^--port must be a whole number, received "x"\.$/],
    [['--port', '8.5'], /^--port must be a whole number, received "8.5"\.$/],
    [['--port'], /--port/],
    [['--data', ''], /^--data must be a text, received ""\.$/],
    [['somewhere'], /somewhere/],
    [['--trust-proxy=false'], /--trust-proxy/],
  ])('is rejected on the command line when it is invalid: %j', (args, why) => {
    expect(() => parseFlags(args)).toThrow(why);
  });

  it.each([
    [{ TIDEMARK_PORT: 'x' }, 'TIDEMARK_PORT must be a whole number, received "x"'],
    [{ TIDEMARK_TRUST_PROXY: 'yes' }, 'TIDEMARK_TRUST_PROXY must be true or false, received "yes"'],
    [{ TIDEMARK_PROT: '80' }, 'TIDEMARK_PROT is not a setting. Did you mean TIDEMARK_PORT?'],
    [{ TIDEMARK_TRUSTPROXY: '1' }, 'TIDEMARK_TRUSTPROXY is not a setting. Did you mean TIDEMARK_TRUST_PROXY?'],
    [{ TIDEMARK_JWKS_URL: '' }, 'TIDEMARK_JWKS_URL is not a setting.'],
    [{ TIDEMARK_SERVICE_HOST: '10.0.0.1' }, 'TIDEMARK_SERVICE_HOST is not a setting. Kubernetes sets it'],
  ])('is rejected in the environment when it is invalid: %j', (env, why) => {
    expect(() => parseEnvironment(env)).toThrow(why);
  });

  it.each([
    ['{ "port": "80" }', 'conf.json: port must be a whole number, received "80"'],
    ['{ "prot": 80 }', 'conf.json: "prot" is not a setting. Did you mean port? The settings are data, port, host'],
    ['{ "origins": [7] }', 'conf.json: origins must be a text, or a list of texts, received an array of 1'],
    ['{ "secret": 1234567 }', 'conf.json: secret must be a text, received number'],
    ['[]', 'conf.json must be a record of settings, received an array of 0'],
    ['{', 'conf.json is not JSON: '],
  ])('is rejected in the file when it is invalid, without printing a secret: %s', (text, why) => {
    expect(() => parseFile('conf.json', text)).toThrow(why);
  });

  it('is taken from the command line before the environment, and from the environment before the file', () => {
    const all = mergeSettings([{ port: 1 }, { port: 2, host: 'two' }, { port: 3, host: 'three', data: 'three' }]);
    expect(all).toEqual({ port: 1, host: 'two', data: 'three' });
  });

  it('for checking tokens replaces all others for checking tokens', () => {
    expect(mergeSettings([{}, { secretFile: 's' }, { jwks: 'j', audience: ['a'] }])).toEqual({
      secretFile: 's',
      audience: ['a'],
    });
  });

  it('has a row in docs/hosting.md, which shows the default of each limit', () => {
    const page = readFileSync('docs/hosting.md', 'utf8');
    const rows = [...page.matchAll(/^\| (`.*?) +\|(.*)$/gm)];
    const named = rows.flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
    expect(Object.keys(settings).filter((name) => !named.includes(name))).toEqual([]);
    const documented = rows.flatMap(([, cell = '', rest = '']) => {
      const name = /^`(\w+)`/.exec(cell)?.[1] ?? '';
      return name in limits ? [[name, Number(rest.split('|')[0]?.replaceAll(' ', ''))]] : [];
    });
    expect(documented.length).toBeGreaterThan(5);
    const limitOf: Readonly<Record<string, number>> = limits;
    expect(documented.filter(([name, value]) => limitOf[String(name)] !== value)).toEqual([]);
  });

  it('has a line of help that fits', () => {
    expect(Object.values(settings).filter(({ help }) => help.length > 90)).toEqual([]);
  });
});

describe('an environment variable that is not a setting', () => {
  it('field report E-10: is rejected with the nearest name, unless it belongs to another program', () => {
    expect(() => parseEnvironment({ TIDEMARK_AUDIENCES: 'a' })).toThrow(
      /^TIDEMARK_AUDIENCES is not a setting\. Did you mean TIDEMARK_AUDIENCE\? The settings are TIDEMARK_DATA, .*TIDEMARK_CONFIG\.$/,
    );
    expect(() => parseEnvironment({ TIDEMARK_NOTHING_LIKE_IT_AT_ALL: '' })).toThrow(/setting\. The settings are/);
    expect(() => parseFile('f', '{ "prot": 5 }')).toThrow('f: "prot" is not a setting. Did you mean port?');
    expect(parseEnvironment({ TIDE: '1', MY_TIDEMARK_PORT: '5', TIDEMARK: 'x' }).set).toEqual({});
  });
});
