"""How a tear sheet looks: light and dark, wide and narrow, on a screen and on paper."""

from __future__ import annotations

from typing import Final

CSS: Final = """
:root { color-scheme: light dark;
  --ground: #f4f5f7; --card: #ffffff; --ink: #17202b; --soft: #657284; --line: #e3e7ec; --grid: #edf0f3;
  --main: #2f62d9; --gain: #0f8a63; --loss: #cf3f45; --warm: #c17f16; --fill: rgba(47, 98, 217, .10); }
@media (prefers-color-scheme: dark) { :root {
  --ground: #0e1319; --card: #161d26; --ink: #e4eaf1; --soft: #8d9bad; --line: #263140; --grid: #202a36;
  --main: #76a1ff; --gain: #42c796; --loss: #f0757a; --warm: #e5ae4d; --fill: rgba(118, 161, 255, .13); } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 1180px; margin: 0 auto; padding: 34px 22px 50px; }
header { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: flex-end; gap: 6px 24px;
  margin-bottom: 20px; }
h1 { margin: 0; font-size: 27px; font-weight: 660; letter-spacing: -.02em; line-height: 1.2; }
h2 { margin: 0 0 10px; font-size: 12.5px; font-weight: 640; letter-spacing: .01em; }
h2 small { font-weight: 400; color: var(--soft); font-size: 12px; margin-left: 6px; }
header p, footer { margin: 0; color: var(--soft); }
footer { margin-top: 22px; font-size: 12px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(126px, 1fr)); gap: 1px; overflow: hidden;
  background: var(--line); border: 1px solid var(--line); border-radius: 11px; margin-bottom: 14px; }
.tile { background: var(--card); padding: 13px 15px 12px; }
.tile span { display: block; color: var(--soft); font-size: 12px; }
.tile b { display: block; font-size: 21px; font-weight: 620; letter-spacing: -.015em; line-height: 1.35;
  white-space: nowrap; }
.cards { display: grid; grid-auto-flow: dense; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: 14px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 11px; padding: 15px 17px 13px;
  grid-column: span 6; min-width: 0; overflow-x: auto; }
.wide { grid-column: 1 / -1; } .third { grid-column: span 4; }
@media (max-width: 880px) { .card, .third { grid-column: 1 / -1; } main { padding: 20px 12px 40px; } }
@media (max-width: 620px) { svg { min-width: 420px; } .wide svg { min-width: 640px; } .tile b { font-size: 17px; } }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg + svg { margin-top: 4px; }
.grid { stroke: var(--grid); stroke-width: 1; } .zero { stroke: var(--soft); stroke-width: 1; opacity: .55; }
.tick, .note { fill: var(--soft); font-size: 11px; } .note { font-size: 10.5px; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }
.line.main { stroke: var(--main); } .line.loss { stroke: var(--loss); stroke-width: 1.1; }
.line.warm { stroke: var(--warm); stroke-width: 1.2; }
.area.main { fill: var(--fill); } .area.loss { fill: var(--loss); opacity: .17; }
.area.warm { fill: var(--warm); opacity: .16; }
.bar { rx: 1.5px; } .bar.gain, .dot.gain { fill: var(--gain); } .bar.loss, .dot.loss { fill: var(--loss); }
.bar.main, .dot.main { fill: var(--main); } .bar, .dot { opacity: .82; } .bar:hover, .dot:hover { opacity: 1; }
.mark { stroke: var(--warm); stroke-dasharray: 4 3; } .under { fill: var(--loss); opacity: .07; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: right; font-weight: 500; color: var(--soft); font-size: 12px; padding: 3px 0 5px 12px;
  white-space: nowrap; }
td { text-align: right; padding: 4.5px 0 4.5px 12px; border-top: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.words { text-align: left; white-space: normal; color: var(--soft); }
.figures td:first-child { color: var(--soft); } .figures td:last-child { font-weight: 560; }
.gain { color: var(--gain); } .loss { color: var(--loss); } .none { color: var(--soft); }
.months td { text-align: center; padding: 4px 2px; border: 2px solid var(--card); border-radius: 5px; }
.months th { text-align: center; padding: 2px; } .months td:first-child { color: var(--soft); }
@media print { body { background: none; } main { max-width: none; padding: 0; } .card, .tiles { break-inside: avoid; } }
"""
