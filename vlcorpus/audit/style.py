"""The labelling page's style sheet: nothing moves while one goes from pair to pair, light and dark, wide and narrow."""

from __future__ import annotations

_LIGHT = """
--paper:#fff;--ink:#1a1e23;--soft:#59626d;--line:#dde2e7;--wash:#f4f6f8;--accent:#0b63a5;--raised:#fff;
--good:#0b7350;--bad:#b13a12;--unsure:#646d78;--goodwash:#e3f3ec;--badwash:#fbe9e2;--unsurewash:#e9ecef;
"""

_DARK = """
--paper:#14171a;--ink:#e7eaed;--soft:#a0a9b3;--line:#2f363d;--wash:#1c2125;--accent:#6cb6f0;--raised:#23292e;
--good:#58c79c;--bad:#f08c62;--unsure:#a0a9b3;--goodwash:#17352a;--badwash:#3a2319;--unsurewash:#2b3238;
"""

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;height:100%}
body{margin:0;height:100vh;height:100dvh;display:flex;flex-direction:column;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",sans-serif}
[hidden]{display:none!important}
button,input{font:inherit;color:inherit}
button{cursor:pointer}
button:disabled{cursor:default;opacity:.4}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
header{flex:none;display:flex;align-items:center;gap:.5rem 1.25rem;padding:.7rem clamp(1rem,3vw,2rem);
border-bottom:1px solid var(--line)}
h1{flex:1;min-width:0;margin:0;font-size:1rem;font-weight:650;letter-spacing:-.005em;white-space:nowrap;overflow:hidden;
text-overflow:ellipsis}
.count{color:var(--soft);font-size:.9rem;font-variant-numeric:tabular-nums;white-space:nowrap}
.count b{color:var(--ink);font-weight:600}
progress{flex:none;appearance:none;-webkit-appearance:none;display:block;width:100%;height:3px;border:0;
background:transparent;margin-top:-2px;color:var(--accent)}
progress::-webkit-progress-bar{background:transparent}
progress::-webkit-progress-value{background:var(--accent);transition:width .15s}
progress::-moz-progress-bar{background:var(--accent)}
main{flex:1;min-height:0;display:grid;grid-template-columns:minmax(0,1.15fr) minmax(0,1fr);
gap:clamp(1.25rem,3vw,2.75rem);
width:100%;max-width:78rem;margin:0 auto;padding:clamp(1rem,3vh,2.25rem) clamp(1rem,3vw,2rem)}
figure{margin:0;min-height:0;display:flex;align-items:center;justify-content:center;background:var(--wash);
border-radius:.6rem;overflow:hidden}
figure img{width:100%;height:100%;object-fit:contain}
.blank{padding:1rem;color:var(--soft);text-align:center}
.side{min-height:0;display:flex;flex-direction:column}
.where{display:flex;align-items:center;gap:.6rem;min-height:1.7rem;margin:0 0 .75rem;color:var(--soft);font-size:.85rem;
font-variant-numeric:tabular-nums}
.tag{padding:.05rem .5rem;border:1px solid var(--line);border-radius:1rem;line-height:1.4}
.tag.good{color:var(--good);border-color:var(--good);background:var(--goodwash)}
.tag.bad{color:var(--bad);border-color:var(--bad);background:var(--badwash)}
.tag.unsure{color:var(--unsure);border-color:var(--unsure);background:var(--unsurewash)}
blockquote{flex:0 1 auto;min-height:0;margin:0;overflow-y:auto;overflow-wrap:anywhere;white-space:pre-wrap;
font-size:clamp(1.1rem,1.9vw,1.5rem);line-height:1.4;font-weight:500;letter-spacing:-.005em}
blockquote.long{font-size:1rem;line-height:1.5;font-weight:400}
blockquote.none{color:var(--soft);font-weight:400}
.guide{margin:auto 0 0;padding-top:1.25rem;color:var(--soft);font-size:.88rem}
.guide p{margin:.3rem 0 0;display:grid;grid-template-columns:4.2rem 1fr;gap:.25rem}
.guide p:first-child{display:block;color:var(--ink);margin:0}
.guide b{font-weight:600}
.guide .good b{color:var(--good)}.guide .bad b{color:var(--bad)}.guide .unsure b{color:var(--unsure)}
footer{flex:none;border-top:1px solid var(--line);background:var(--paper);
padding:.8rem clamp(1rem,3vw,2rem) max(.8rem,env(safe-area-inset-bottom))}
.bar{max-width:78rem;margin:0 auto;display:flex;align-items:center;justify-content:space-between;gap:.75rem 1rem;
flex-wrap:wrap}
.choices{display:flex;gap:.6rem;flex:1 1 26rem;max-width:34rem}
.choice{flex:1;display:flex;align-items:center;justify-content:center;gap:.55rem;padding:.65rem .75rem;
border:1.5px solid var(--line);border-radius:.55rem;background:var(--raised);font-weight:600}
.choice.good{color:var(--good)}.choice.bad{color:var(--bad)}.choice.unsure{color:var(--unsure)}
.choice:hover{border-color:currentColor}
.choice[aria-pressed=true]{border-color:currentColor}
.choice.good:active,.choice.good[aria-pressed=true]{background:var(--goodwash)}
.choice.bad:active,.choice.bad[aria-pressed=true]{background:var(--badwash)}
.choice.unsure:active,.choice.unsure[aria-pressed=true]{background:var(--unsurewash)}
kbd{font:600 .72rem/1 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;padding:.22rem .38rem;
border:1px solid var(--line);border-radius:.3rem;color:var(--soft);background:var(--paper)}
.tools{display:flex;align-items:center;gap:.35rem;flex-wrap:wrap}
.tool{display:flex;align-items:center;gap:.4rem;padding:.5rem .65rem;border:1px solid transparent;border-radius:.45rem;
background:none;color:var(--soft);font-size:.9rem}
.tool:hover:not(:disabled){background:var(--wash);color:var(--ink)}
.tool.main{color:var(--accent);border-color:var(--line);font-weight:600}
.done .tool.main{background:var(--accent);border-color:var(--accent);color:var(--paper)}
.done .tool.main kbd{display:none}
.status{max-width:78rem;margin:.55rem auto 0;display:flex;align-items:center;justify-content:space-between;
gap:1rem;color:var(--soft);font-size:.82rem;line-height:1.35}
.status p{flex:1;min-width:0;margin:0;overflow:hidden}
.status p.wrong{color:var(--bad)}
.status label{flex:none;display:flex;align-items:center;gap:.5rem}
.status input{width:9rem;padding:.2rem .5rem;border:1px solid var(--line);border-radius:.35rem;background:var(--raised);
font-size:.85rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
noscript{display:block;padding:1rem 2rem;color:var(--bad)}
@media (max-width:46rem){
main{grid-template-columns:minmax(0,1fr);grid-template-rows:minmax(8rem,1fr) minmax(6.5rem,auto);
gap:.9rem;padding:.9rem 1rem}
.side{max-height:38vh;min-height:8rem}
.where{margin-bottom:.4rem}
.guide{padding-top:.5rem}.guide p+p{display:none}
.guide p:first-child{color:var(--soft)}
header{padding:.6rem 1rem}
footer{padding:.7rem 1rem max(.7rem,env(safe-area-inset-bottom))}
.choices{flex-basis:100%;max-width:none;gap:.5rem}
.choice{padding:.85rem .5rem}
.choice kbd,.tool kbd{display:none}
.tools{width:100%;justify-content:space-between;gap:0}
.tool{padding:.45rem .5rem}
.status{margin-top:.35rem;gap:.6rem}
.status p{height:2.7em;display:flex;align-items:center}
.status input{width:6.5rem}
}
@media (prefers-reduced-motion:reduce){progress::-webkit-progress-value{transition:none}}
"""

STYLE = "".join(
    (
        f":root{{color-scheme:light dark;{_LIGHT}}}",
        f"@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}",
        _RULES,
    )
).replace("\n", "")
