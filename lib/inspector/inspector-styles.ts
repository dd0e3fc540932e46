/*
 * The colours are custom properties, so that a page can set others: `tidemark-inspector { --good: … }`. `light-dark`
 * follows the `color-scheme` of the page.
 */
export const inspectorStyles = `
:host {
  --ink: light-dark(#1d2733, #e6ebf1); --soft: light-dark(#566273, #a3b0c0); --back: light-dark(#fff, #161c24);
  --plot: light-dark(#f5f7fa, #1d242e); --edge: light-dark(#d5dce5, #35404e); --good: light-dark(#0b7a57, #4fd1a5);
  --busy: light-dark(#9a5b00, #f2b552); --bad: light-dark(#b3261e, #ff8a80);
  --plain: light-dark(#2a5bbf, #86b1ff);
  display: block; color: var(--ink); background: var(--back); border: 1px solid var(--edge); border-radius: 10px;
  padding: 12px 14px; font: 13px/1.45 system-ui, sans-serif; overflow-wrap: anywhere;
}
:host([hidden]), [hidden] { display: none !important }
* { box-sizing: border-box }
.head, .tools, .buttons, .bars { display: flex; flex-wrap: wrap; align-items: center; gap: 8px }
.buttons, .bars { margin-left: auto }
.dot { width: 10px; height: 10px; border-radius: 50%; background: var(--soft) }
.dot.connected { background: var(--good) }
.dot.connecting { background: var(--busy) }
.state, li b { font-weight: 600; color: var(--ink) }
.text { margin: 6px 0 10px; min-height: 2.9em }
button, select, textarea {
  font: inherit; color: inherit; background: var(--plot); border: 1px solid var(--edge); border-radius: 6px;
  padding: 2px 9px; min-height: 26px;
}
select { max-width: 100% }
button, summary { cursor: pointer }
button:hover { border-color: var(--soft) }
:focus-visible { outline: 2px solid var(--plain); outline-offset: 1px }
[role=switch]::before {
  content: ""; display: inline-block; width: 22px; height: 12px; margin: 0 6px -1px 0; border-radius: 6px;
  background: radial-gradient(circle at 6px 6px, var(--back) 4px, transparent 4.5px) var(--soft);
}
[aria-checked=true]::before {
  background: radial-gradient(circle at 16px 6px, var(--back) 4px, transparent 4.5px) var(--bad);
}
.diagram {
  display: grid; grid-template-columns: max-content minmax(0, 1fr); background: var(--plot);
  border: 1px solid var(--edge); border-radius: 8px; margin-bottom: 10px;
}
.labels { padding: 22px 10px 0 12px }
.labels div { line-height: 32px }
.plot { position: relative; cursor: grab; touch-action: pan-y }
svg { display: block; width: 100%; overflow: hidden; user-select: none }
.line { fill: var(--edge) }
.band { opacity: .45 }
.tick { stroke: var(--edge); stroke-dasharray: 2 4 }
text { fill: var(--soft); font-size: 11px; text-anchor: middle; pointer-events: none }
.marble text { fill: var(--back); font-weight: 600 }
.good { fill: var(--good) } .busy { fill: var(--busy) } .off { fill: var(--soft) } .bad { fill: var(--bad) }
.plain { fill: var(--plain) }
.selected rect { stroke: var(--ink); stroke-width: 2px }
.tip {
  position: absolute; z-index: 2; max-width: min(340px, 92%); padding: 5px 9px; border-radius: 6px; pointer-events: none;
  white-space: pre-line; color: var(--back); background: var(--ink); visibility: hidden;
}
.shown { visibility: visible }
progress { width: 72px; height: 8px; accent-color: var(--good) }
textarea { width: 100%; margin-top: 10px; font-family: monospace }
.sections { margin-top: 8px }
.body { padding: 2px 0 8px 18px }
.labels, .tools, .body { color: var(--soft) }
p, ul, dl, dd { margin: 0; padding: 0; list-style: none }
summary, li { padding: 2px 0 } li button { margin-left: 4px }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 6px 16px }
dd { color: var(--ink) }
`;
