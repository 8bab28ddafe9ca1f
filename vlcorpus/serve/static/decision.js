// What a decision kept and what it dropped: by predicate, by language, by host, and as pictures.

import { complain, get } from "/api.js";
import { bar, el } from "/dom.js";
import { count, counted, share } from "/format.js";
import { Grid } from "/results.js";

const PAGE = 60;
const MOST_VALUES = 12;
const FACETS = { reason: "Reason", language: "Language", domain: "Host" };

export class Decision {
  constructor(view, { about, go, like }) {
    Object.assign(this, { view, about, go, like });
  }

  get title() {
    return `decision ${this.name}`;
  }

  async show(name, query) {
    this.name = name;
    this.query = query;
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    try {
      const told = await get(this.#asked(0), asking.signal);
      this.#draw(told);
    } catch (error) {
      if (error.name === "AbortError") return;
      const wrong = el("p", { class: "wrong", role: "alert" });
      complain(wrong, error);
      const without = el("a", { href: `#/decision/${encodeURIComponent(name)}` }, "Show all of it");
      this.view.replaceChildren(el("h1", {}, name), wrong, el("p", {}, without));
    }
  }

  #asked(offset) {
    const asked = new URLSearchParams({ offset, limit: PAGE });
    for (const field of ["verdict", "reason", "language", "domain"]) {
      const value = this.query.get(field);
      if (value) asked.set(field, value);
    }
    return `/api/decision/${encodeURIComponent(this.name)}?${asked}`;
  }

  /** The address with some fields changed; null takes one away. */
  #address(change) {
    const query = new URLSearchParams(this.query);
    for (const [field, value] of Object.entries(change)) {
      if (value === null) query.delete(field);
      else query.set(field, value);
    }
    const text = query.toString();
    return `#/decision/${encodeURIComponent(this.name)}${text ? `?${text}` : ""}`;
  }

  #draw(told) {
    const verdict = this.query.get("verdict") ?? "all";
    const list = el("ol", { class: "grid", "aria-label": "Pairs" });
    this.grid = new Grid(list, { able: this.about.can, more: this.about.can.pairs ? this.like : null });
    const dropped = told.seen - told.kept;
    const tab = (value, words, number) =>
      el("a", { href: this.#address({ verdict: value === "all" ? null : value }), class: value, "aria-current": verdict === value ? "page" : null }, words, el("small", {}, count(number)));
    this.more = el("button", { type: "button", class: "tool", on: { click: () => this.#further() } }, "Load more");
    this.view.replaceChildren(
      el("p", { class: "way-back" }, el("a", { href: "#/browse" }, "Browse"), " / decisions / ", told.name),
      el("h1", {}, told.name),
      el("p", { class: "lead" }, el("b", {}, count(told.kept)), ` kept of ${counted(told.seen, told.of === "candidates" ? "candidate" : "pair")} (${share(told.kept, told.seen)})`),
      bar([[told.kept / told.seen, "kept"], [dropped / told.seen, "dropped"]], `${share(told.kept, told.seen)} kept`),
      this.#predicates(told),
      el("nav", { class: "tabs", "aria-label": "Verdicts" }, tab("all", "All", told.seen), tab("kept", "Kept", told.kept), tab("dropped", "Dropped", dropped)),
      el(
        "div",
        { class: "beside" },
        el("aside", { class: "facets", "aria-label": "Facets" }, Object.keys(FACETS).map((field) => this.#facet(field, told))),
        el(
          "div",
          { class: "those" },
          this.#chosen(told),
          list,
          told.rows.length === 0 && el("p", { class: "empty" }, "No pair is left. Take one of the choices away."),
          el("div", { class: "after" }, this.more),
        ),
      ),
    );
    this.rules = told.predicates.map(({ says }) => says);
    this.loaded = 0;
    this.#take(told);
  }

  #take(told) {
    this.loaded += told.rows.length;
    this.grid.add(told.rows.map((row) => ({ ...row, badge: this.#badge(row) })));
    this.more.hidden = this.loaded >= told.total || told.rows.length === 0;
  }

  #badge(row) {
    const why = row.taken_down ? "taken down" : (row.failed.map((number) => this.rules[number]).join("; ") || row.status) ?? "";
    return el("span", { class: row.keep ? "verdict kept" : "verdict dropped", title: row.keep ? "" : why }, row.keep ? "kept" : "dropped");
  }

  async #further() {
    this.more.disabled = true;
    try {
      const asking = this.asking;
      const told = await get(this.#asked(this.loaded), asking.signal);
      if (!asking.signal.aborted) this.#take(told);
    } catch (error) {
      if (error.name !== "AbortError") this.more.hidden = true;
    } finally {
      this.more.disabled = false;
    }
  }

  #predicates(told) {
    if (told.predicates.length === 0) return "";
    const chosen = this.query.get("reason");
    return el(
      "ol",
      { class: "predicates", "aria-label": "Predicates" },
      told.predicates.map(({ says, failed, first }, number) => {
        const on = chosen === String(number);
        const href = on ? this.#address({ reason: null }) : this.#address({ reason: number, verdict: null });
        return el(
          "li",
          {},
          el(
            "a",
            { href, "aria-current": on ? "true" : null, title: "Those that fail it" },
            el("span", { class: "rule" }, says),
            bar([[failed / told.seen, "dropped"]], `${share(failed, told.seen)} fail it`),
            el("span", { class: "soft" }, `${count(failed)} fail it${first === failed ? "" : `, ${count(first)} first here`}`),
          ),
        );
      }),
    );
  }

  #facet(field, told) {
    const values = told.facets[field] ?? [];
    if (values.length === 0) return "";
    const most = Math.max(...values.map(([, number]) => number), 1);
    const chosen = this.query.get(field);
    const others = told.others?.[field] ?? 0;
    const items = values.map(([label, number, value = label], place) => {
      const on = chosen === String(value);
      return el(
        "li",
        { class: place >= MOST_VALUES && !on ? "rest" : null },
        el(
          "a",
          { href: this.#address({ [field]: on ? null : value }), "aria-current": on ? "true" : null },
          el("span", { class: "label", dir: "auto", title: label }, label || "none"),
          el("span", { class: "n" }, count(number)),
          bar([[number / most, "part"]], ""),
        ),
      );
    });
    const list = el("ul", {}, items);
    const rest = items.filter((item) => item.classList.contains("rest")).length;
    const open = (event) => {
      list.classList.add("whole");
      event.target.remove();
    };
    return el(
      "section",
      {},
      el("h2", {}, FACETS[field]),
      list,
      rest > 0 && el("button", { type: "button", class: "quiet", on: { click: open } }, `${count(rest)} more`),
      others > 0 && el("p", { class: "soft" }, `${count(others)} with another`),
    );
  }

  #chosen(told) {
    const chips = Object.keys(FACETS).flatMap((field) => {
      const value = this.query.get(field);
      if (value === null) return [];
      const label = field === "reason" ? (told.predicates[value]?.says ?? value) : value;
      return el("a", { class: "tool", href: this.#address({ [field]: null }), "aria-label": `${FACETS[field]} ${label}: remove` }, `${FACETS[field]}: ${label} ×`);
    });
    return el("p", { class: "choices" }, el("b", {}, counted(told.total, "pair")), chips);
  }
}
