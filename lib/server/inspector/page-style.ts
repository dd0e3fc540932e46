/** The styles of the inspector's page, in light and dark. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --page: #f4f7f9; --card: #ffffff; --line: #d5dde4; --text: #14212b; --quiet: #4a5b68;
  --accent: #0a6a7d; --wash: #0a6a7d1f; --good: #14703a; --warn: #8f4700; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e161c; --card: #16212a; --line: #2c3b46; --text: #e6eef3; --quiet: #a5b6c2;
    --accent: #5ccbdf; --wash: #5ccbdf26; --good: #6fd695; --warn: #f0b26b; --bad: #ff9d95;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
header, main { max-width: 1240px; margin: 0 auto; padding: 0 24px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 20px; padding-top: 22px; padding-bottom: 14px; }
header p { margin: 0; color: var(--quiet); }
h1 { margin: 0; font-size: 22px; letter-spacing: -0.01em; }
h1 span { color: var(--accent); font-weight: 500; }
h2 { margin: 26px 0 10px; font-size: 16px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
#state { display: inline-flex; align-items: center; gap: 8px; color: var(--text); font-weight: 600; }
#state::before { content: ''; width: 9px; height: 9px; border-radius: 50%; background: var(--quiet); }
#state[data-state='live']::before { background: var(--good); box-shadow: 0 0 0 4px var(--wash); }
#state[data-state='lost']::before { background: var(--bad); }
#actions { display: flex; gap: 8px; margin-left: auto; }
button { font: inherit; color: var(--text); background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 6px 14px; cursor: pointer; }
button:hover, button[aria-pressed='true'] { border-color: var(--accent); color: var(--accent); }
input { font: inherit; color: var(--text); background: var(--card); border: 1px solid var(--quiet); border-radius: 8px;
  padding: 7px 12px; min-width: 0; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#login { max-width: 620px; margin: 8vh auto; padding: 28px 32px; background: var(--card); border: 1px solid var(--line);
  border-radius: 16px; }
#login h2 { margin: 0; font-size: 20px; }
#login label { display: block; margin-bottom: 6px; font-weight: 600; }
#login div { display: flex; gap: 10px; }
#login input { flex: 1; }
#login button { background: var(--accent); border-color: var(--accent); color: var(--card); font-weight: 600; }
#fault { margin: 12px 0 0; color: var(--bad); font-weight: 600; }
#fault:empty { display: none; }
#totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 12px; margin: 8px 0 24px; }
#totals div { position: relative; padding: 12px 16px 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 14px; overflow: hidden; }
dt { color: var(--quiet); font-size: 13px; }
dd { margin: 2px 0 34px; font-size: 24px; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; letter-spacing: -0.02em; }
#totals svg { position: absolute; left: 0; right: 0; bottom: 0; width: 100%; height: 34px; }
#search { display: flex; align-items: center; gap: 10px; }
#search input { width: min(360px, 100%); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 14px; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 14px; text-align: left; white-space: nowrap; }
thead th { color: var(--quiet); font-size: 13px; font-weight: 600; border-bottom: 1px solid var(--line); }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody th { font-weight: 600; }
.number { text-align: right; }
.code { font-family: ui-monospace, monospace; font-size: 13px; }
.behind { color: var(--warn); font-weight: 650; }
td svg { display: block; width: 110px; height: 22px; }
svg path { fill: none; stroke: var(--accent); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
svg path + path { fill: var(--wash); stroke: none; }
.more { margin: 8px 2px 0; color: var(--quiet); font-size: 13px; }
.more:empty { display: none; }
main { padding-bottom: 60px; }
@media (max-width: 600px) {
  header, main { padding-left: 14px; padding-right: 14px; }
  #totals { grid-template-columns: 1fr 1fr; gap: 8px; }
  dd { font-size: 20px; }
  #login { padding: 20px; }
}
`;
