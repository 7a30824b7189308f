"""The style of the page: light and dark, for a desk, a phone and paper."""

from __future__ import annotations

# The lines' colours stay apart for colour-blind readers: Okabe and Ito's set, with the yellows and
# the pink darkened on white and the blue and green lightened on black, for contrast.
CSS = """
:root { color-scheme: light dark; --paper: #ffffff; --card: #f7f7f5; --ink: #1f2328;
  --soft: #5a626b; --rule: #d5d5cf; --grid: #e4e4df; --link: #0060a8; --warn: #9a4a00;
  --k0: #0072b2; --k1: #d55e00; --k2: #00805c; --k3: #a6528e; --k4: #8c6d00; --k5: #3d9bd8;
  --heat: #00507d; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1b1f25; --ink: #e6e8ea;
  --soft: #a2abb5; --rule: #3a4049; --grid: #2b3038; --link: #7cbcf5; --warn: #f0a860;
  --k0: #56b4e9; --k1: #f28e4b; --k2: #2dbe94; --k3: #e09cc4; --k4: #e6c229; --k5: #9db8ff;
  --heat: #56b4e9; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 68rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
  "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.4rem; margin: 3rem 0 .6rem; padding-top: .6rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; overflow-wrap: anywhere; }
p, ul, dl { max-width: 46rem; margin: .5rem 0; }
li { margin: .3rem 0; }
a { color: var(--link); }
.soft, figcaption p, .small { color: var(--soft); }
.small { font-size: .9rem; }
.lead { font-size: 1.1rem; }
nav { margin: 1rem 0; font-size: .95rem; line-height: 2; }
nav a { margin-right: .9rem; white-space: nowrap; }
.remedy { color: var(--soft); display: block; }
.remedy b { font-weight: 600; }
.warn { border-left: 4px solid var(--warn); }
.fine { border-left: 4px solid var(--k2); }
.remarks { list-style: none; padding: 0; }
.remarks li { padding: .15rem 0 .15rem .8rem; margin: .6rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr));
  gap: 1.2rem; margin: 1rem 0; align-items: start; }
figure { margin: 0; padding: .9rem 1rem .7rem; background: var(--card); border-radius: 8px;
  border: 1px solid var(--rule); min-width: 0; break-inside: avoid; max-width: 34rem; }
figcaption b { font-weight: 600; overflow-wrap: anywhere; }
figcaption p { font-size: .9rem; margin: .15rem 0 .5rem; line-height: 1.4; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; }
.beside { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: flex-start; }
.beside > * { max-width: 100%; }
.beside > :last-child { flex: 1 1 21rem; min-width: 0; }
.drawing { max-height: 44rem; overflow: auto; }
.drawing svg { display: block; max-width: none !important; }
details { margin-top: .5rem; font-size: .9rem; }
summary { cursor: pointer; color: var(--link); }
details .wide { max-height: 22rem; overflow: auto; }
.wide { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .7rem; text-align: left; vertical-align: top; font-weight: 400;
  border-bottom: 1px solid var(--grid); }
thead th { color: var(--soft); vertical-align: bottom; border-bottom: 1px solid var(--rule);
  line-height: 1.25; }
th:first-child, td:first-child { padding-left: 0; }
.n { text-align: right; } td.n { white-space: nowrap; }
.main tbody tr:last-child > * { font-weight: 600; }
.tight td, .tight tbody th { white-space: nowrap; }
.columns td { white-space: nowrap; }
.columns td:last-child { white-space: normal; min-width: 16rem; }
.steps td, .steps tbody th { white-space: pre; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 6px;
  padding: .7rem .9rem; overflow-x: auto; font-size: .88rem; line-height: 1.45; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
  monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .9rem; max-width: none; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.chart text { font-size: 12.5px; fill: var(--ink); font-family: inherit;
  font-variant-numeric: tabular-nums; }
.chart .label, .chart .note { fill: var(--soft); }
.chart .note { paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.chart .mid { text-anchor: middle; }
.chart .end { text-anchor: end; }
.chart .grid { stroke: var(--grid); fill: none; }
.chart .axis { stroke: var(--soft); fill: none; }
.chart .line { stroke: var(--c); fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .dash { stroke-dasharray: 6 4; }
.chart .bar { stroke: var(--c); stroke-width: 1.4; opacity: .7; }
.chart .dot, .chart .area { fill: var(--c); }
.chart .cloud circle { fill: var(--c); fill-opacity: .45; }
.chart .ring { fill: var(--card); stroke: var(--c); stroke-width: 2; }
.chart .heat { fill: var(--heat); }
.chart .on { fill: var(--paper); }
.c0 { --c: var(--k0); } .c1 { --c: var(--k1); } .c2 { --c: var(--k2); } .c3 { --c: var(--k3); }
.c4 { --c: var(--k4); } .c5 { --c: var(--k5); } .grey { --c: var(--soft); }
@media (max-width: 34rem) { body { padding: 1rem .9rem 3rem; } figure { padding: .7rem .6rem; }
  h1 { font-size: 1.55rem; } .chart text { font-size: 14px; }
  dl { grid-template-columns: 1fr; } dt { margin-top: .4rem; } }
@media print { :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #bbb;
  --grid: #ddd; --link: #000; --warn: #9a4a00; --k0: #0072b2; --k1: #d55e00; --k2: #00805c;
  --k3: #a6528e; --k4: #8c6d00; --k5: #3d9bd8; --heat: #00507d; }
  @page { margin: 15mm; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  nav, details { display: none; }
  a { text-decoration: none; }
  h2, h3, h2 + p, h2 + ul, h3 + ul { break-after: avoid; }
  tr { break-inside: avoid; }
  .figures { grid-template-columns: 1fr 1fr; gap: .7rem; }
  .area, .heat, .dot, .line { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .drawing { max-height: none; } .drawing svg { max-width: 100% !important; }
  .wide { overflow: visible; } pre { white-space: pre-wrap; } }
"""
