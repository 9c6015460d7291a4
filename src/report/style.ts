/** How the report looks, on light and on dark screens. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #fff; --panel: #f5f6f8; --line: #d5d9e0; --text: #1c2128; --faint: #5d6673; --link: #0757b8;
  --good: #19703a; --good-bar: #8fd3a6; --doubt: #8a5600; --doubt-bar: #f0c36d;
  --bad: #b3261e; --bad-bar: #f2a39d; --step-bar: #b9c7f5; --wait-bar: #c9ced6; --boot-bar: #d8c8ee;
  --mark: #ffe58a; --mark-now: #ffb347;
  --c0: #24292f; --c1: #b3261e; --c2: #19703a; --c3: #8a5600; --c4: #0757b8; --c5: #8228a8; --c6: #0b6b75;
  --c7: #6a737d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --panel: #1d2128; --line: #363c47; --text: #e3e7ed; --faint: #9aa4b2; --link: #7cb4ff;
    --good: #6fd490; --good-bar: #2f6b43; --doubt: #f0c36d; --doubt-bar: #77581a;
    --bad: #ff938a; --bad-bar: #8f322b; --step-bar: #3d4d85; --wait-bar: #454c58; --boot-bar: #54437a;
    --mark: #6b5a12; --mark-now: #a85f00;
    --c0: #6a737d; --c1: #ff938a; --c2: #6fd490; --c3: #f0c36d; --c4: #7cb4ff; --c5: #d8a4f2; --c6: #6fd3df;
    --c7: #c5ccd6;
  }
}
* { box-sizing: border-box; }
html, body { height: 100%; }
body {
  margin: 0; display: flex; flex-direction: column;
  background: var(--page); color: var(--text); font: 14px/1.45 system-ui, sans-serif;
}
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
[hidden] { display: none !important; }
header {
  display: flex; flex-wrap: wrap; gap: 0 1.5em; align-items: baseline;
  padding: .5em 1em; border-bottom: 1px solid var(--line); background: var(--panel);
}
h1 { margin: 0; font-size: 1.15em; }
h1 a { color: inherit; text-decoration: none; }
h2 { margin: 0 0 .3em; font-size: 1.3em; overflow-wrap: anywhere; }
h3 { margin: 1em 0 .3em; font-size: 1.05em; }
h5 { margin: .6em 0 .2em; font-size: .9em; color: var(--faint); }
p { margin: .3em 0; }
.totals { display: flex; flex-wrap: wrap; gap: .3em 1em; }
.warning { color: var(--bad); font-weight: 600; }
.columns { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(15em, 24%) 1fr; }
nav { overflow: auto; padding: .5em; border-right: 1px solid var(--line); }
main { overflow: auto; padding: 1em; }
@media (max-width: 50em) {
  html, body { height: auto; }
  .columns { display: block; }
  nav { max-height: 40vh; border-right: 0; border-bottom: 1px solid var(--line); }
}
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { content-visibility: auto; contain-intrinsic-height: auto 3em; }
nav li a {
  display: grid; grid-template-columns: 1.3em 1fr auto; gap: 0 .3em; padding: .25em .4em;
  border-radius: 4px; color: inherit; text-decoration: none; overflow-wrap: anywhere;
}
nav li a:hover { background: var(--panel); }
nav li a[aria-current] { background: var(--panel); box-shadow: inset 3px 0 var(--link); }
nav .file { grid-column: 2 / -1; font-size: .85em; color: var(--faint); }
.took, .at { color: var(--faint); white-space: nowrap; font-variant-numeric: tabular-nums; }
.sign { font-weight: 700; }
.sign.failed { color: var(--bad); }
.sign.interrupted { color: var(--doubt); }
.sign.passed { color: var(--good); }
.badge { font-weight: 600; }
.badge.failed { color: var(--bad); }
.badge.interrupted { color: var(--doubt); }
.badge.passed { color: var(--good); }
.facts { color: var(--faint); }
.facts .badge { margin-right: .5em; }
.path { overflow-wrap: anywhere; }
.tcg { color: var(--doubt); }
.tools { display: flex; flex-wrap: wrap; gap: .35em; align-items: center; margin: .4em 0; }
.tools output, .hint { color: var(--faint); font-size: .9em; }
button, input {
  font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line);
  border-radius: 4px; padding: .15em .55em;
}
button { cursor: pointer; }
button:hover { background: var(--panel); }
button[aria-pressed=true], [role=tab][aria-selected=true] { border-color: var(--link); color: var(--link); }
input[type=search] { flex: 1 1 12em; min-width: 8em; }
nav .tools input { flex-basis: 100%; }
[role=tablist] { display: flex; flex-wrap: wrap; gap: .3em; margin: .8em 0 .5em; }
pre.text {
  margin: .2em 0; padding: .5em .7em; overflow: auto; max-height: 60vh; background: var(--panel);
  border: 1px solid var(--line); border-radius: 4px; font: 12.5px/1.4 ui-monospace, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate;
}
.failure pre { border-color: var(--bad); }
.stderr { border-left: 3px solid var(--doubt) !important; }
.gap { color: var(--doubt); }
.binary { color: var(--faint); }
.lines .line { display: block; content-visibility: auto; contain-intrinsic-height: auto 1.4em; }
.lines .line[data-at]::before {
  content: attr(data-at); display: inline-block; min-width: 6.5em; padding-right: 1em; text-align: right;
  color: var(--faint);
}
.line.hit { background: var(--mark); }
.line.now { background: var(--mark-now); }
::highlight(found) { background: var(--mark-now); }
.timeline { margin-top: 1em; }
.timeline .scroller { overflow-x: auto; border: 1px solid var(--line); border-radius: 4px; background: var(--panel); }
.canvas { width: calc(100% * var(--zoom, 1)); min-width: 100%; padding-bottom: .4em; }
.axis { position: relative; height: 1.6em; margin: 0 .5em; overflow: hidden; }
.axis span {
  position: absolute; border-left: 1px solid var(--line); padding-left: .25em; font-size: .8em; color: var(--faint);
}
.track { border-top: 1px solid var(--line); }
.track-name { position: sticky; left: 0; width: max-content; margin: 0; padding: .15em .5em; font-weight: 600; }
.lanes { position: relative; height: calc(var(--rows) * 20px); margin: 0 .5em; }
.bar {
  position: absolute; top: calc(var(--row) * 20px); height: 18px; min-width: 4px; padding: 0 3px; border: 0;
  border-radius: 3px; font: 11px/18px system-ui, sans-serif; text-align: left; color: var(--text);
  white-space: nowrap; overflow: hidden;
}
.bar:hover, .bar:focus-visible { filter: brightness(1.12); outline: 2px solid var(--link); z-index: 1; }
.bar.command { background: var(--good-bar); }
.bar.wait { background: var(--wait-bar); }
.bar.step { background: var(--step-bar); }
.bar.boot { background: var(--boot-bar); }
.bar.doubtful { background: var(--doubt-bar); }
.bar.open { background: repeating-linear-gradient(45deg, var(--wait-bar) 0 5px, transparent 5px 10px); }
.bar.bad { background: var(--bad-bar); }
.bar.moment {
  width: 10px; min-width: 10px; height: 10px; margin: 4px 0 0 -5px; padding: 0; transform: rotate(45deg);
  background: var(--faint); border-radius: 1px;
}
.bar.moment.bad { background: var(--bad); }
.entry { border-bottom: 1px solid var(--line); content-visibility: auto; contain-intrinsic-height: auto 1.9em; }
.entry summary {
  display: grid; grid-template-columns: 5.5em 1fr auto 5em; gap: .8em; padding: .2em .3em; cursor: pointer;
}
.entry summary:hover { background: var(--panel); }
.entry .what {
  padding-left: calc(var(--depth) * 1.2em); overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  unicode-bidi: isolate;
}
.entry.command .what { font-family: ui-monospace, monospace; font-size: .93em; }
.entry.step .what { font-weight: 600; }
.entry.doubtful .outcome { color: var(--doubt); }
.entry.bad .outcome, .entry.open .outcome { color: var(--bad); }
.entry .took, .entry .at { text-align: right; }
.entry[open] { padding-bottom: .5em; }
.entry > :not(summary) { margin-left: 6.3em; }
figure { margin: .5em 0; }
img { max-width: 100%; border: 1px solid var(--line); }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .25em .9em .25em 0; border-bottom: 1px solid var(--line); text-align: left; overflow-wrap: anywhere; }
tr.failed th { color: var(--bad); }
.bold { font-weight: 700; }
.faint { opacity: .7; }
${colours()}`

function colours(): string {
  return Array.from({ length: 16 }, (_, index) => {
    const colour = `var(--c${index % 8})`
    return `.fg${index} { color: ${colour}; }\n.bg${index} { background: ${colour}; color: var(--page); }`
  }).join('\n')
}
