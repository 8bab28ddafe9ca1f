"""The page's style sheet: system fonts, one accent, light and dark, narrow and wide, screen and paper."""

from __future__ import annotations

_LIGHT = """
--paper:#fff;--ink:#1a1e23;--soft:#59626d;--line:#dde2e7;--wash:#f4f6f8;--accent:#0b63a5;
--good:#0b7350;--bad:#b13a12;--unsure:#646d78;--goodwash:#eaf5f0;--badwash:#fbeee9;
--c1:#0b63a5;--c2:#c2570c;--c3:#0b7a5b;--c4:#8e4a9e;--c5:#8a6a00;--c6:#47525e;
"""

_DARK = """
--paper:#14171a;--ink:#e7eaed;--soft:#a0a9b3;--line:#2f363d;--wash:#1c2125;--accent:#6cb6f0;
--good:#58c79c;--bad:#f08c62;--unsure:#a0a9b3;--goodwash:#15261f;--badwash:#2c1c16;
--c1:#6cb6f0;--c2:#f0a05a;--c3:#58c79c;--c4:#cf9bdc;--c5:#d9bd55;--c6:#b4bec8;
"""

CHART_RULES = """
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--soft);
font-variant-numeric:tabular-nums}
svg text.strong,svg text.value{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
svg text.strong{fill:var(--ink);font-weight:500}
svg text.value.good{fill:var(--good);font-weight:600}svg text.value.bad{fill:var(--bad);font-weight:600}
.grid{stroke:var(--line);stroke-width:1}.tick{stroke:var(--soft);stroke-width:1}
.zero{stroke:var(--ink);stroke-width:1;stroke-dasharray:3 3}
.threshold{stroke:var(--ink);stroke-width:1.5}
.area{stroke:none;opacity:.2}.line{fill:none;stroke-width:2;stroke-linejoin:round}
.seed{fill:none;stroke-width:1;opacity:.4;stroke-linejoin:round}
.interval{stroke-width:2.5;stroke-linecap:round}
.mark{stroke:var(--paper);stroke-width:1}.mark.ring{fill:var(--paper);stroke-width:2}
.mark.ring.s1{stroke:var(--c1)}.mark.ring.s2{stroke:var(--c2)}.mark.ring.s3{stroke:var(--c3)}
.mark.ring.s4{stroke:var(--c4)}.mark.ring.s5{stroke:var(--c5)}
.area.s1,.mark.s1{fill:var(--c1)}.area.s2,.mark.s2{fill:var(--c2)}.area.s3,.mark.s3{fill:var(--c3)}
.area.s4,.mark.s4{fill:var(--c4)}.area.s5,.mark.s5{fill:var(--c5)}.area.s6{fill:var(--c6)}
.line.s1,.seed.s1{stroke:var(--c1)}.line.s2,.seed.s2{stroke:var(--c2)}.line.s3,.seed.s3{stroke:var(--c3)}
.line.s4,.seed.s4{stroke:var(--c4)}.line.s5,.seed.s5{stroke:var(--c5)}.line.s6,.seed.s6,.mark.s6{stroke:var(--c6)}
.interval.good{stroke:var(--good)}.interval.bad{stroke:var(--bad)}.interval.unsure,.mark.unsure{stroke:var(--unsure)}
.mark.good{fill:var(--good)}.mark.bad{fill:var(--bad)}
.fill.good{fill:var(--good)}.fill.bad{fill:var(--bad)}.fill.unsure{fill:var(--c6)}.fill{opacity:.55}
.reach{stroke-width:1.5}.reach.good{stroke:var(--good)}.reach.bad{stroke:var(--bad)}.reach.unsure{stroke:var(--unsure)}
.nought{stroke:var(--soft);stroke-width:1}
.level{stroke-width:1.25;stroke-dasharray:4 4;opacity:.75}
.level.s1{stroke:var(--c1)}.level.s2{stroke:var(--c2)}.level.s3{stroke:var(--c3)}
.level.s4{stroke:var(--c4)}.level.s5{stroke:var(--c5)}.level.s6{stroke:var(--c6)}
.run{opacity:.45}.run.s1{fill:var(--c1)}.run.s2{fill:var(--c2)}.run.s3{fill:var(--c3)}
.run.s4{fill:var(--c4)}.run.s5{fill:var(--c5)}.run.s6{fill:var(--c6)}
.best{fill:none;stroke:var(--ink);stroke-width:1.5}
"""
"""What is drawn, on a page or in a file of its own."""

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;overflow-wrap:anywhere;background:var(--paper);color:var(--ink);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",sans-serif}
main{max-width:54rem;margin:0 auto;padding:clamp(1.5rem,5vw,3.5rem) clamp(1rem,4vw,2rem) 4rem}
h1{font-size:clamp(1.5rem,4vw,2rem);line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:0;}
h2{font-size:1.2rem;line-height:1.3;font-weight:650;letter-spacing:-.005em;margin:0 0 .75rem}
h3{font-size:1rem;font-weight:600;margin:1.5rem 0 .6rem}
p{margin:.5rem 0}
.subtitle{color:var(--soft);margin:.35rem 0 0}
.verdict{display:flex;gap:.9rem;align-items:flex-start;margin:1.5rem 0 0;padding:1.1rem 1.25rem;border-radius:.5rem;
background:var(--wash);border-left:.3rem solid var(--unsure);font-size:clamp(1.05rem,2.6vw,1.3rem);line-height:1.4;
font-weight:550;}
.verdict .sign{flex:none;font-weight:700;color:var(--unsure)}
.verdict.good{border-color:var(--good);background:var(--goodwash)}.verdict.good .sign{color:var(--good)}
.verdict.bad{border-color:var(--bad);background:var(--badwash)}.verdict.bad .sign{color:var(--bad)}
.notice{display:flex;gap:.9rem;align-items:flex-start;margin:.75rem 0 0;padding:.8rem 1.25rem;border-radius:.5rem;
background:var(--badwash);border-left:.3rem solid var(--bad);line-height:1.45}
.notice .sign{flex:none;font-weight:700;color:var(--bad);width:1ch;text-align:center}
.summary{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.25rem,1fr));gap:1.25rem 1.25rem;margin:1.75rem 0 0}
.summary div{border-top:1px solid var(--line);padding-top:.6rem;min-width:0}
.summary dt{color:var(--soft);font-size:.85rem}
.summary dd{margin:0}
.summary .number{font-size:1.5rem;line-height:1.3;font-weight:600;font-variant-numeric:tabular-nums;
letter-spacing:-.01em}
.summary .beside{color:var(--soft);font-size:.85rem}
nav{margin:2rem 0 0;font-size:.9rem}
nav ol{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:0;padding:0}
a{color:var(--accent);text-underline-offset:.15em;text-decoration-thickness:1px}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
section{margin-top:3rem;scroll-margin-top:1rem}
.note{color:var(--soft);font-size:.9rem;max-width:44rem}
.scroll{position:relative;overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
.caption{color:var(--soft);font-size:.85rem;margin:0 0 .4rem}
th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th:last-child,td:last-child{padding-right:0}
thead th,thead td{overflow-wrap:break-word;color:var(--soft);font-weight:500;font-size:.8rem;vertical-align:bottom;
border-bottom-color:var(--soft)}
tbody th{font-weight:500}
tbody th,td.text{min-width:8rem}
tbody th.wide{min-width:13rem}
.n{text-align:right;white-space:nowrap}
thead th.n{white-space:normal}
.faint{color:var(--soft)}
tbody th small{display:block;color:var(--soft);font-weight:400;font-size:.8rem;line-height:1.3}
.stage{color:var(--soft);min-width:5.25rem!important}
.share{text-align:right;white-space:nowrap;color:var(--soft)}
tr.kept th,tr.kept td{background:var(--goodwash)}
.bar{width:7rem;min-width:5rem}
.bar svg{display:block;width:100%;height:.6rem;margin-top:.45rem}
.bar rect{fill:var(--c6);opacity:.45}tr.kept .bar rect{fill:var(--good);opacity:1}
td.n small{display:block;color:var(--soft);font-size:.75rem;line-height:1.2}
.bar.rate{width:11rem;min-width:8rem}.bar.rate svg{height:.9rem;margin-top:.3rem;overflow:visible}
.bar.rate rect{fill:var(--c1);opacity:.35}.whisker{stroke:var(--c1);stroke-width:2}
.overall{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 2}
.yes{color:var(--good);font-weight:600}.no{color:var(--bad);font-weight:600}
.heat{text-align:right;white-space:nowrap;padding-left:.75rem;padding-right:.75rem!important}
thead th.heat{white-space:normal}
.heat small{display:block;color:var(--soft);font-size:.75rem}
.h1{background:color-mix(in srgb,var(--accent) 6%,transparent)}.h2{background:color-mix(in srgb,
var(--accent) 13%,transparent)}
.h3{background:color-mix(in srgb,var(--accent) 21%,transparent)}.h4{background:color-mix(in srgb,
var(--accent) 30%,transparent)}
.cell{text-align:right;white-space:nowrap;padding:.35rem .25rem!important;min-width:2.4rem;font-size:.78rem}
.cell.apart{border-right:2px solid var(--line)}
.matrix th[scope=row],.matrix thead td{position:sticky;left:0;background:var(--paper);min-width:7.5rem}
.p1{background:color-mix(in srgb,var(--c1) 10%,transparent)}.p2{background:color-mix(in srgb,var(--c1) 20%,transparent)}
.p3{background:color-mix(in srgb,var(--c1) 32%,transparent)}.p4{background:color-mix(in srgb,var(--c1) 45%,transparent)}
.m1{background:color-mix(in srgb,var(--c2) 10%,transparent)}.m2{background:color-mix(in srgb,var(--c2) 20%,transparent)}
.m3{background:color-mix(in srgb,var(--c2) 32%,transparent)}.m4{background:color-mix(in srgb,var(--c2) 45%,transparent)}
.wanted{box-shadow:inset 0 0 0 2px var(--good)}
figure{margin:0}
svg.chart{display:block;width:100%;height:auto}
svg.narrow{display:none}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin:0 0 .5rem;padding:0;font-size:.85rem}
.legend li,nav li,.pictures li,.verdict div,.notice div{min-width:0}
.legend li{display:flex;align-items:center;gap:.5rem}
.legend svg{flex:none}
details{margin:.75rem 0 0;font-size:.9rem}
details>summary{cursor:pointer;color:var(--soft);width:max-content}
details[open]>summary{margin-bottom:.5rem}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(7.75rem,1fr));gap:1.1rem .9rem;margin:0;
padding:0;list-style:none}
.pictures img,.pictures .blank{display:flex;align-items:center;justify-content:center;width:100%;aspect-ratio:1;
object-fit:contain;
background:var(--wash);border-radius:.3rem;color:var(--soft);font-size:.8rem}
.pictures figcaption{margin-top:.4rem;font-size:.82rem;line-height:1.4}
.pictures .score{font-weight:600;font-variant-numeric:tabular-nums}
.pictures .words{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:4;overflow:hidden;}
.captions{list-style:none;margin:0;padding:0;font-size:.9rem;line-height:1.4}
.captions li{display:flex;gap:1rem;padding:.3rem 0;border-bottom:1px solid var(--line)}
.captions li>div{min-width:0}
.captions .score{flex:none;min-width:4rem;font-weight:600;font-variant-numeric:tabular-nums;text-align:right}
.captions .words{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3;overflow:hidden}
.side{border-top:2px solid var(--line);padding-top:.9rem;margin-top:1.5rem}
.side h3{margin:0 0 .9rem}
.side.in{border-color:var(--good)}.side.out{border-color:var(--bad)}
pre{margin:0;padding:.7rem .9rem;background:var(--wash);border-radius:.4rem;overflow-x:auto;font-size:.85rem;
line-height:1.5}
code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.mono{font-size:.85em}
.steps{margin:0;padding:0;list-style:none}
.steps li{margin:0 0 .9rem}
.steps .step{color:var(--soft);font-size:.85rem;margin:0 0 .25rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
footer{margin-top:3.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem}
@media (max-width:36rem){svg.wide{display:none}svg.narrow{display:block}.bar:not(.rate),.share{display:none}
.bar.rate{min-width:5rem;width:6rem}
th,td{padding-right:.45rem}tbody th,td.text{min-width:6rem}.stage{min-width:4.75rem!important}
.verdict{padding:.9rem 1rem}}
"""

_COMPARED = """
h3 bdi{overflow-wrap:anywhere}
.part{margin-top:1.75rem}.part:first-child{margin-top:0}
.part h3,details.fold h3{margin:0 0 .6rem}
details.fold{border-top:1px solid var(--line);margin:1.25rem 0 0;padding:.75rem 0 0;font-size:1rem}
details.fold>summary{width:auto;color:var(--ink)}
details.fold>summary h3{display:inline;margin:0}
details.fold[open]>summary{margin-bottom:.9rem}
table.held tbody th,table.held thead th:first-child{position:sticky;left:0;background:var(--paper);z-index:1}
table.held tbody th{min-width:5rem;max-width:17rem;overflow-wrap:break-word}
table.held td.n+td.text,table.held thead th.n+th:not(.n){padding-left:1.25rem}
table.held td.n,table.held th.n{padding-left:.5rem}
td.gap{color:var(--soft);font-size:.85rem;text-align:center;background:var(--wash)}
.toned .sign{font-size:.75em}
.toned.good{color:var(--good)}.toned.bad{color:var(--bad)}.toned.unsure{color:var(--soft)}
.bar.change{width:13rem;min-width:9rem;padding-left:.75rem}
.bar .fill.good{fill:var(--good)}.bar .fill.bad{fill:var(--bad)}.bar.rate .fill{opacity:.55}
.bar.rate .fill.good{fill:var(--good)}.bar.rate .fill.bad{fill:var(--bad)}.bar.rate .fill.unsure{fill:var(--c6)}
.checks{list-style:none;margin:0;padding:0}
.checks li{display:grid;grid-template-columns:6.5rem minmax(0,1fr);gap:0 1rem;padding:.65rem 0;
border-bottom:1px solid var(--line)}
.checks li.failed,.checks li.warning{background:var(--badwash);margin:0 -.75rem;padding:.65rem .75rem;
border-radius:.3rem;border-bottom-color:transparent}
.checks .sign{display:inline-block;width:1.1em;font-weight:700}
.checks .name{font-weight:600}
.checks p{margin:.15rem 0 0;font-size:.92rem}
.prose{max-width:44rem}
.quoted{padding:.9rem 1.15rem;background:var(--wash);border-radius:.4rem;font-size:.95rem}
.quoted p:first-child{margin-top:0}.quoted p:last-child{margin-bottom:0}
.beside-each-other{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:1.75rem 1.5rem}
.beside-each-other .part{margin:0;min-width:0}
.beside-each-other h3{font-size:.85rem;margin:0 0 .3rem}
figure.small svg.narrow{display:block}
@media (max-width:36rem){.checks li{grid-template-columns:minmax(0,1fr)}
table.held tbody th,table.held thead th:first-child{min-width:7rem;max-width:9rem}}
"""

_FOLDED = """
@media print{details.fold{display:block}details.fold>summary{list-style:none}
details.fold::details-content{content-visibility:visible;block-size:auto}
figure.small svg.narrow{display:block!important}table.held tbody th{position:static}}
"""
"""Paper shows what a page folds away, but for the numbers of charts."""

_PRINT = (
    "body{font-size:10pt}main{max-width:none;padding:0}nav,details{display:none}section{margin-top:1.5rem}"
    "h2,h3,caption{break-after:avoid}figure,tr,.pictures li,.verdict{break-inside:avoid}.scroll{overflow:visible}"
    "pre{white-space:pre-wrap}svg.wide{display:block}svg.narrow{display:none}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}"
)

STYLE = "".join(
    (
        f":root{{color-scheme:light dark;{_LIGHT}}}",
        f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}",
        _RULES,
        CHART_RULES,
        _COMPARED,
        f"@media print{{:root{{{_LIGHT}}}{_PRINT}@page{{margin:16mm}}}}",
        _FOLDED,
    )
).replace("\n", "")


def palette(dark: bool) -> dict[str, str]:
    """Colours by name: {"--ink": "#1a1e23", ...}"""
    pairs = (pair.split(":") for pair in (_DARK if dark else _LIGHT).replace("\n", "").split(";") if pair)
    return {name: colour for name, colour in pairs}
