/** The script of the inspector's page. It asks for the state once a second while the page is visible. */
export const pageScript = `
const element = (id) => /** @type {any} */ (document.getElementById(id));
const [keyName, samplesMax] = ['tidemark-inspector-token', 60];
let token = sessionStorage.getItem(keyName) ?? '';
let [isStopped, isLoading, needsToken, lastAt] = [false, false, false, 0];
let timer = 0;
let latest = null;
const samples = new Map();

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const count = (value) => (value === null ? '–' : number.format(value));
const bytes = (value) => {
  if (value === null) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [amount, unit] = [value, 0];
  for (; amount >= 1024 && unit < units.length - 1; unit += 1) amount /= 1024;
  return number.format(amount) + ' ' + units[unit];
};
const duration = (ms) => {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return seconds + ' s';
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min';
  if (seconds < 86400) return Math.floor(seconds / 3600) + ' h';
  return Math.floor(seconds / 86400) + ' d';
};
const nameOf = (user) => (user === null ? '–' : (user.id ?? 'user ' + user.hash));

/** Remembers a value of the last minute. */
const note = (key, value) => {
  const list = samples.get(key) ?? [];
  if (value !== null) list.push(value);
  if (list.length > samplesMax) list.shift();
  samples.set(key, list);
};
const createChart = () => {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 ' + (samplesMax - 1) + ' 20');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  for (let each = 0; each < 2; each += 1)
    svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'path'));
  return svg;
};
const drawChart = (svg, key) => {
  const list = samples.get(key) ?? [];
  const top = Math.max(1, ...list);
  const start = samplesMax - list.length;
  const points = list.map((value, at) => start + at + ' ' + (19 - (value / top) * 17).toFixed(1));
  const line = points.length > 1 ? 'M' + points.join('L') : '';
  svg.children[0].setAttribute('d', line);
  svg.children[1].setAttribute('d', line === '' ? '' : line + 'V20H' + start + 'Z');
};

/** Changes a text only if it is another one, so that a selection and the position of a screen reader stay. */
const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
const createCell = ({ tag = 'td', kind = '', chart }) => {
  const cell = document.createElement(tag);
  if (tag === 'th') cell.setAttribute('scope', 'row');
  cell.className = kind;
  if (chart !== undefined) cell.append(createChart());
  return cell;
};
const setCell = (cell, { text, kind = '', chart }) => {
  if (chart !== undefined) drawChart(cell.firstChild, chart);
  else setText(cell, text);
  if (cell.className !== kind) cell.className = kind;
};
const drawRows = (body, items, keyOf, cellsOf) => {
  const present = new Map(Array.from(body.children, (row) => [row.dataset.key, row]));
  const used = new Set();
  items.forEach((item, at) => {
    const cells = cellsOf(item);
    let key = keyOf(item);
    for (; used.has(key); key += ' ') continue; // Clients in the process of the server have no number.
    used.add(key);
    const row = present.get(key) ?? document.createElement('tr');
    present.delete(key);
    if (row.dataset.key === undefined) {
      row.dataset.key = key;
      row.append(...cells.map(createCell));
    }
    cells.forEach((cell, index) => setCell(row.children[index], cell));
    if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
  });
  for (const row of present.values()) row.remove();
};

/** @type {[string, string, (value: number | null) => string][]} */
const figures = [
  ['connections', 'Connections', count],
  ['sessions', 'Sessions', count],
  ['realms', 'Realms', count],
  ['messagesIn', 'Messages in per second', count],
  ['messagesOut', 'Messages out per second', count],
  ['bytesIn', 'Bytes in per second', bytes],
  ['bytesOut', 'Bytes out per second', bytes],
  ['changesetsIn', 'Changesets per second', count],
];
const drawTotals = (totals) => {
  const list = element('totals');
  if (list.children.length === 0)
    for (const [, title] of figures) {
      const [card, term] = [document.createElement('div'), document.createElement('dt')];
      term.textContent = title;
      const value = document.createElement('dd');
      value.append(document.createElement('span'), createChart());
      card.append(term, value);
      list.append(card);
    }
  figures.forEach(([name, , format], at) => {
    const value = list.children[at].children[1];
    setText(value.children[0], format(totals[name]));
    drawChart(value.children[1], 'total ' + name);
  });
};

const watchedText = (watched) =>
  watched === null
    ? 'none'
    : count(watched.properties) + ' properties since ' + count(watched.since) + (watched.isIndexed ? '' : ', building');
const realmCells = (realm) => [
  { tag: 'th', text: realm.name },
  { kind: 'number', text: count(realm.sessions) },
  { kind: 'number', text: count(realm.head) },
  { kind: 'number', text: count(realm.changesetsIn) },
  { chart: 'realm ' + realm.name },
  { kind: 'number', text: bytes(realm.bytes) },
  { kind: 'number', text: bytes(realm.bytesIn) },
  { text: watchedText(realm.watched) },
];
const connectionCells = (at) => (connection) => [
  { tag: 'th', kind: 'number', text: connection.number === null ? '–' : String(connection.number) },
  { text: nameOf(connection.user) + (connection.isOwn ? ' (you)' : '') },
  { kind: 'code', text: connection.address ?? '–' },
  { kind: 'number', text: connection.since === null ? '–' : duration(at - connection.since) },
  { kind: 'number', text: count(connection.messagesIn) },
  { kind: 'number', text: count(connection.messagesOut) },
  { kind: 'number', text: bytes(connection.bytesIn) },
  { kind: 'number', text: bytes(connection.bytesOut) },
  { chart: 'connection ' + connection.number },
  { kind: 'number', text: count(connection.sessions.items.length + connection.sessions.more) },
];
const sessionCells = ({ connection, session }) => [
  { tag: 'th', text: session.realm },
  { text: nameOf(connection.user) },
  { kind: 'code', text: session.replica },
  { text: session.access },
  { text: session.subscriptions === null ? 'whole realm' : count(session.subscriptions) },
  { kind: 'number', text: connection.number === null ? '–' : String(connection.number) },
  { kind: 'number', text: count(session.position) },
  { kind: session.behind > 0 ? 'number behind' : 'number', text: session.behind > 0 ? count(session.behind) : 'up to date' },
];

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const moreText = (shown, more, things) =>
  more > 0 ? 'and ' + count(more) + ' more ' + things : shown === 0 ? 'No ' + things + '.' : '';

const draw = () => {
  if (latest === null) return;
  const { at, totals, realms, connections, uncheckedRealms } = latest;
  const wanted = element('filter').value.trim().toLowerCase();
  const isWanted = (...texts) => texts.some((text) => String(text ?? '').toLowerCase().includes(wanted));
  drawTotals(totals);
  const shownRealms = realms.items.filter(({ name }) => isWanted(name)).sort((a, b) => compare(a.name, b.name));
  drawRows(element('realms'), shownRealms, ({ name }) => name, realmCells);
  const unchecked = uncheckedRealms > 0 ? ' Access to ' + count(uncheckedRealms) + ' more realms was not checked.' : '';
  setText(element('realms-more'), moreText(shownRealms.length, realms.more, 'realms') + unchecked);
  const shownConnections = connections.items
    .filter(({ user, address, sessions }) =>
      isWanted(nameOf(user), address, ...sessions.items.flatMap(({ realm, replica }) => [realm, replica])),
    )
    .sort((a, b) => (a.number ?? 0) - (b.number ?? 0));
  drawRows(element('connections'), shownConnections, (each) => String(each.number), connectionCells(at));
  setText(element('connections-more'), moreText(shownConnections.length, connections.more, 'connections'));
  const sessions = connections.items
    .flatMap((connection) => connection.sessions.items.map((session) => ({ connection, session })))
    .filter(({ connection, session }) =>
      isWanted(session.realm, session.replica, nameOf(connection.user), connection.address),
    )
    .sort((a, b) => compare(a.session.realm, b.session.realm) || compare(a.session.replica, b.session.replica));
  const keyOf = ({ connection, session }) => [connection.number, session.realm, session.replica].join(' ');
  drawRows(element('sessions'), sessions, keyOf, sessionCells);
  const left = connections.items.reduce((sum, each) => sum + each.sessions.more, 0);
  setText(element('sessions-more'), moreText(sessions.length, left, 'sessions'));
};

const setState = (state, text) => {
  element('state').dataset.state = state;
  setText(element('state'), text);
};
const noteSamples = ({ at, totals, realms, connections }) => {
  if (at === lastAt) return;
  lastAt = at;
  const known = new Set();
  const keep = (key, value) => (known.add(key), note(key, value));
  for (const [name] of figures) keep('total ' + name, totals[name]);
  for (const { name, changesetsIn } of realms.items) keep('realm ' + name, changesetsIn);
  for (const { number, bytesIn, bytesOut } of connections.items) keep('connection ' + number, bytesIn === null ? null : bytesIn + bytesOut);
  for (const key of samples.keys()) if (!known.has(key)) samples.delete(key);
};
const show = (state) => {
  latest = state;
  noteSamples(state);
  element('login').hidden = true;
  element('content').hidden = false;
  element('actions').hidden = false;
  element('forget').hidden = token === '';
  const whose = state.user === null ? 'All realms' : 'The realms that ' + state.user + ' may read';
  const others = state.seesUsers ? '' : '. Other users are shown as hashes';
  setText(element('reader'), whose + others + '. Protocol ' + state.protocol + '.');
  if (!isStopped) setState('live', 'Live');
  draw();
};
const askForToken = (text) => {
  const isFirst = !needsToken;
  needsToken = true;
  latest = null;
  samples.clear();
  sessionStorage.removeItem(keyName);
  element('content').hidden = true;
  element('actions').hidden = true;
  element('login').hidden = false;
  setText(element('reader'), '');
  setState('waiting', 'Waiting for a token');
  setText(element('fault'), token === '' ? '' : text);
  token = '';
  if (isFirst) element('token').focus();
};

const load = async () => {
  if (isLoading) return;
  isLoading = true;
  const sent = token;
  try {
    const headers = sent === '' ? {} : { Authorization: 'Bearer ' + sent };
    const response = await fetch('inspector/state', { headers, cache: 'no-store', signal: AbortSignal.timeout(10000) });
    const body = await response.json();
    if (sent !== token || isStopped) return;
    if (response.ok) show(body);
    else if (response.status === 401 || body.code === 'user-not-listed') askForToken(body.text);
    else setState('lost', body.text);
  } catch {
    setState('lost', 'The server does not answer');
  } finally {
    isLoading = false;
    wait();
  }
};
const wait = () => {
  clearTimeout(timer);
  if (!isStopped && !needsToken && !document.hidden) timer = setTimeout(load, 1000);
};

element('login').addEventListener('submit', (event) => {
  event.preventDefault();
  token = element('token').value.trim();
  element('token').value = '';
  // A browser does not send other characters in a header.
  if (/[^\\x21-\\x7e]/.test(token)) return askForToken('A token has only letters, digits and signs of ASCII. Enter another access token.');
  sessionStorage.setItem(keyName, token);
  needsToken = false;
  load();
});
element('forget').addEventListener('click', () => {
  token = '';
  askForToken('');
});
element('stop').addEventListener('click', () => {
  isStopped = !isStopped;
  element('stop').setAttribute('aria-pressed', String(isStopped));
  setState(isStopped ? 'stopped' : 'live', isStopped ? 'Stopped' : 'Live');
  if (!isStopped) load();
});
element('filter').addEventListener('input', draw);
document.addEventListener('visibilitychange', () => (document.hidden ? wait() : !isStopped && !needsToken && load()));
load();
`;
