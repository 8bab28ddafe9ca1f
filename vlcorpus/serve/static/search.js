// The search: what is asked, its results, and the threshold between what is near enough and what is not.

import { complain, post } from "/api.js";
import { Chips, introduce } from "/chips.js";
import { byId, el, say } from "/dom.js";
import { Export } from "/export.js";
import { Filter } from "/filter.js";
import { count, counted, near } from "/format.js";
import { Histogram } from "/histogram.js";
import * as question from "/question.js";
import { Grid } from "/results.js";
import * as selection from "/selection.js";
import { start } from "/start.js";

const PAGE = 60;

export class Search {
  /** go(address, { replace }): app.js's way to another address. */
  constructor(about, go) {
    this.about = about;
    this.go = go;
    this.asked = question.nothing();
    this.shownKey = null;
    this.answer = null;
    this.hits = [];
    const able = about.can;
    this.chips = new Chips({ able, limits: about.limits, changed: (terms) => this.#ask({ terms }) });
    this.filter = new Filter({ asked: (where, again) => this.#ask({ where }, again) });
    this.filter.columns(about.columns);
    this.grid = new Grid(byId("results"), { able, more: (pair, sign) => this.like(pair, sign) });
    this.spread = new Histogram(byId("plot"), byId("handle"), {
      moved: (min) => this.#threshold(min),
      settled: (min) => this.#settle(min),
    });
    this.exporting = new Export({ able, now: () => this.#now() });
    this.#listen();
    start(byId("start"), about, (q) => this.go(question.written({ ...question.nothing(), q })));
    selection.changed(() => this.#chosen());
  }

  #listen() {
    const { can, sides } = this.about;
    const box = byId("q");
    if (!can.text) box.placeholder = "uid:… (there is no model here for words)";
    byId("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask({ q: box.value.trim(), where: byId("where").value.trim() }, true);
    });
    byId("syntax-open").addEventListener("click", (event) => this.syntax(byId("syntax").hidden, event));
    byId("sides").hidden = sides.length < 2;
    for (const side of ["image", "text"]) byId(`side-${side}`).addEventListener("click", () => this.#ask({ side }));
    byId("fold").addEventListener("change", (event) => this.#ask({ fold: event.target.checked }));
    byId("log").addEventListener("change", (event) => this.spread.logarithmic(event.target.checked));
    byId("more").addEventListener("click", () => this.#further());
    new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && this.#further(), {
      rootMargin: "600px",
    }).observe(byId("more"));
    byId("select-all").addEventListener("click", () => selection.choose(this.grid.names()));
    byId("select-none").addEventListener("click", () => selection.clear());
    byId("export-open").addEventListener("click", () => this.exporting.open());
  }

  syntax(open) {
    byId("syntax").hidden = !open;
    byId("syntax-open").setAttribute("aria-expanded", String(open));
  }

  /** Shows what an address asks for. */
  show(query) {
    const asked = question.read(query);
    this.asked = asked;
    byId("q").value = asked.q;
    this.chips.set(asked.terms);
    this.filter.set(asked.where);
    byId("fold").checked = asked.fold;
    for (const side of ["image", "text"]) byId(`side-${side}`).setAttribute("aria-pressed", String(asked.side === side));
    if (question.isEmpty(asked)) return this.#empty();
    if (question.key(asked) === this.shownKey) return this.#threshold(asked.min, true);
    return this.#run();
  }

  get title() {
    return this.asked.q || (this.asked.terms.length ? "more like this" : "");
  }

  /** More like a pair: sign 0 asks for it alone, 1 and -1 take it into the query. */
  like(pair, sign) {
    introduce("uid", pair.uid, { row: pair.row ?? undefined, words: pair.caption ?? undefined });
    const term = { sign: sign || 1, kind: "uid", value: pair.uid };
    if (!sign) return this.go(question.written({ ...this.asked, q: "", terms: [term], min: null }));
    const others = this.asked.terms.filter(({ value }) => value !== pair.uid);
    return this.#ask({ terms: [...others, term].slice(-question.MOST_TERMS) });
  }

  #ask(change, again = false) {
    const asked = { ...this.asked, q: byId("q").value.trim(), ...change };
    const anew = asked.q !== this.asked.q || "terms" in change || "side" in change;
    if (anew) asked.min = null; // it was a threshold of another query
    if (again && question.key(asked) === this.shownKey) this.shownKey = null;
    this.go(question.written(asked), { again });
  }

  #empty() {
    this.running?.abort();
    this.shownKey = null;
    this.answer = null;
    byId("found").hidden = true;
    byId("start").hidden = false;
    complain(byId("ask-wrong"), null);
    complain(byId("where-wrong"), null);
    byId("where").removeAttribute("aria-invalid");
  }

  async #run() {
    const asked = this.asked;
    this.running?.abort();
    const running = (this.running = new AbortController());
    this.shownKey = question.key(asked);
    byId("results").setAttribute("aria-busy", "true");
    try {
      const answer = await post("/api/search", question.body(asked, Math.min(PAGE, this.about.limits.k), 0), running.signal);
      if (running.signal.aborted) return;
      complain(byId("ask-wrong"), null);
      complain(byId("where-wrong"), null);
      byId("where").removeAttribute("aria-invalid");
      this.answer = answer;
      this.hits = [];
      this.grid.clear();
      byId("start").hidden = true;
      byId("found").hidden = false;
      this.spread.clear();
      this.spread.min = asked.min;
      byId("count").textContent = "…";
      this.#take(answer);
      const first = answer.hits[0];
      say(first ? `${counted(answer.hits.length, "result")}, the nearest at ${near(first.similarity)}` : "No results");
      await this.#measure(asked, answer.query, running.signal);
    } catch (error) {
      if (running.signal.aborted) return;
      this.shownKey = null;
      await this.#wrong(asked, error, running.signal);
    } finally {
      if (!running.signal.aborted) byId("results").removeAttribute("aria-busy");
    }
  }

  /** Says an error where it belongs: below the filter, if the same without the filter is answered. */
  async #wrong(asked, error, signal) {
    let place = byId("ask-wrong");
    if (asked.where && error.status === 400) {
      try {
        await post("/api/search", question.body({ ...asked, where: "" }, 1, 0), signal);
        place = byId("where-wrong");
      } catch {
        // the query itself is wrong, too
      }
    }
    if (signal.aborted) return;
    for (const name of ["ask-wrong", "where-wrong"]) complain(byId(name), byId(name) === place ? error : null);
    byId("where").toggleAttribute("aria-invalid", place.id === "where-wrong");
  }

  async #measure(asked, query, signal) {
    const wanted = { query, side: asked.side };
    if (asked.where) wanted.where = asked.where;
    const told = await post("/api/histogram", wanted, signal);
    if (signal.aborted) return;
    this.excluded = told.excluded;
    this.spread.show(told.edges, told.counts);
    this.#threshold(this.asked.min, true);
  }

  #take(answer) {
    this.hits.push(...answer.hits);
    this.grid.add(answer.hits);
    this.further = answer.more;
    this.#threshold(this.asked.min);
  }

  async #further() {
    if (!this.further || this.fetching || byId("more").hidden) return;
    this.fetching = true;
    const signal = this.running.signal;
    try {
      const k = Math.min(PAGE, this.about.limits.k - this.hits.length);
      const answer = await post("/api/search", question.body(this.asked, k, this.hits.length), signal);
      if (!signal.aborted) this.#take(answer);
    } catch (error) {
      if (signal.aborted) return;
      this.further = false;
      complain(byId("ask-wrong"), error);
      byId("more").hidden = true;
    } finally {
      this.fetching = false;
    }
  }

  /** Shows what is at or above `min`; `place` moves the handle there, too. */
  #threshold(min, place = false) {
    this.asked.min = min;
    if (place) this.spread.place(min);
    const shown = this.grid.atLeast(min);
    const passed = this.hits.length > 0 && min !== null && this.hits.at(-1).similarity < min;
    byId("more").hidden = !this.further || passed || this.hits.length >= this.about.limits.k;
    if (this.spread.counts.length) {
      const words = min === null ? " pairs" : ` pairs at or above ${near(min)}`;
      const total = ` of ${count(this.spread.total)}`;
      byId("count").replaceChildren(el("b", {}, count(this.spread.atLeast(min))), total, words);
      if (this.asked.where) byId("count").append(", filtered");
    }
    const { ms, how, note } = this.answer ?? {};
    const took = Number.isFinite(ms) ? `${how === "index" ? "by index" : "by scan"}, ${ms < 10 ? ms.toFixed(1) : count(Math.round(ms))} ms` : "";
    byId("shown").replaceChildren(`${count(shown)} shown`, el("span", {}, took));
    byId("note").textContent = note ?? "";
    byId("note").hidden = !note;
    const none = byId("none");
    none.hidden = shown > 0;
    none.textContent = this.hits.length ? "None of the results is that near. Drag the threshold to the left." : "Nothing was found.";
    this.#chosen();
  }

  #settle(min) {
    this.go(question.written({ ...this.asked, min }), { replace: true });
  }

  #chosen() {
    const chosen = selection.number();
    byId("select-none").hidden = chosen === 0;
    byId("select-none").textContent = `Clear ${count(chosen)} selected`;
    byId("select-all").hidden = this.hits.length === 0;
  }

  #now() {
    if (!this.answer) return null;
    const { where, side, min } = this.asked;
    const pairs = this.spread.counts.length ? this.spread.atLeast(min) : null;
    return { query: this.answer.query, where: where.trim(), side, min, pairs };
  }
}
