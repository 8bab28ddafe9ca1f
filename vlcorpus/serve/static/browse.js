// The layers of the corpus: how much each holds, what it rejected and why, and the tables that lie in it.

import { complain, get } from "/api.js";
import { bar, el, link, safe } from "/dom.js";
import { count, counted, digits, isUid, plain, share, size } from "/format.js";

const MOST_REASONS = 6;
const MOST_TABLES = 4;
const PAGE = 50;

export class Browse {
  constructor(view, { about, go }) {
    Object.assign(this, { view, about, go });
  }

  get title() {
    return this.path ?? "browse";
  }

  async show(query) {
    this.path = query.get("path");
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    try {
      if (this.path) await this.#table(query, asking.signal);
      else this.#layers(await get("/api/layers", asking.signal));
    } catch (error) {
      if (error.name === "AbortError") return;
      const wrong = el("p", { class: "wrong", role: "alert" });
      complain(wrong, error);
      this.view.replaceChildren(el("h1", {}, this.path ?? "Browse"), wrong);
    }
  }

  #layers(layers) {
    const bytes = layers.reduce((sum, each) => sum + each.bytes, 0);
    this.view.replaceChildren(
      el("h1", {}, this.about.name),
      el("p", { class: "lead" }, `${counted(layers.length, "layer")}, ${size(bytes)}`),
      this.about.notes.length > 0 ? el("ul", { class: "notes" }, this.about.notes.map((note) => el("li", {}, note))) : "",
      el("ul", { class: "layers", "aria-label": "Layers" }, layers.map((layer) => this.#layer(layer))),
    );
  }

  #layer(layer) {
    const [kind, ...rest] = layer.layer.split("/");
    const name = rest.join("/");
    const decision = kind === "decisions" && name;
    const title = [rest.length > 0 && el("span", { class: "soft" }, `${kind} / `), decision ? el("a", { href: `#/decision/${encodeURIComponent(name)}` }, name) : name || kind];
    return el(
      "li",
      { class: "layer" },
      el("div", { class: "named" }, el("h2", {}, title), el("p", { class: "soft" }, `${counted(layer.units, "unit")}, ${size(layer.bytes)}`)),
      el("div", { class: "walked" }, this.#walked(layer)),
      el("div", { class: "tables" }, this.#tables(layer.tables)),
    );
  }

  #walked({ seen, kept, rejected, damaged }) {
    const reasons = Object.entries(rejected).filter(([, number]) => number > 0).sort((one, other) => other[1] - one[1]);
    const whole = kept === seen;
    return [
      seen > 0 && bar([[kept / seen, whole ? "whole" : "kept"], [(seen - kept) / seen, "dropped"]], `${share(kept, seen)} kept`),
      seen > 0 && el("p", { class: "figures" }, el("b", {}, count(kept)), whole ? ", all that were seen" : ` kept of ${count(seen)} (${share(kept, seen)})`),
      reasons.length > 0 &&
        el(
          "ul",
          { class: "reasons", "aria-label": "Rejected" },
          reasons.slice(0, MOST_REASONS).map(([reason, number]) => el("li", {}, el("code", {}, reason), ` ${count(number)}`)),
          reasons.length > MOST_REASONS && el("li", {}, `and ${counted(reasons.length - MOST_REASONS, "more reason")}`),
        ),
      damaged > 0 && el("p", { class: "wrong" }, el("b", {}, `${counted(damaged, "unit")} damaged`)),
    ];
  }

  #tables(tables) {
    const lines = tables.map((table) =>
      el("li", {}, el("a", { href: address(table.path), title: table.meaning || null }, table.path), el("span", { class: "soft" }, counted(table.rows, "row"))),
    );
    if (lines.length <= MOST_TABLES) return el("ul", { "aria-label": "Tables" }, lines);
    return el("details", {}, el("summary", {}, counted(lines.length, "table")), el("ul", {}, lines));
  }

  async #table(query, signal) {
    const where = query.get("where") ?? "";
    const offset = Math.max(0, Number.parseInt(query.get("offset") ?? "0", 10) || 0);
    const asked = new URLSearchParams({ path: this.path, offset, limit: PAGE });
    if (where) asked.set("where", where);
    const same = this.view.querySelector(".table-view")?.dataset.path === this.path;
    let told;
    try {
      told = await get(`/api/table?${asked}`, signal);
    } catch (error) {
      if (!where || !same || error.status !== 400) throw error;
      return complain(this.view.querySelector(".wrong"), error); // the rows of before stay
    }
    const filter = el("input", {
      type: "text",
      name: "where",
      value: where,
      spellcheck: "false",
      autocapitalize: "off",
      list: "table-columns",
      "aria-label": "Filter: a condition on columns",
      placeholder: `Filter, as in ${told.columns.find(({ type }) => /int|float/.test(type))?.name ?? "length(caption)"} > 0`,
    });
    const submit = (event) => {
      event.preventDefault();
      this.go(address(this.path, filter.value.trim()), { again: true });
    };
    const focused = same && this.view.contains(document.activeElement) && document.activeElement.name === "where";
    const total = told.matched ?? told.rows;
    this.view.replaceChildren(
      el(
        "article",
        { class: "table-view", "data-path": this.path },
        el("p", { class: "way-back" }, el("a", { href: "#/browse" }, "Browse"), " / ", this.path),
        el("h1", {}, told.table ?? this.path),
        el("p", { class: "lead" }, told.meaning),
        el("p", { class: "soft" }, [counted(told.rows, "row"), counted(told.columns.length, "column"), told.files && counted(told.files, "file"), told.bytes && size(told.bytes)].filter(Boolean).join(", ")),
        el("form", { class: "where", on: { submit } }, filter, el("button", { type: "submit", class: "tool" }, "Filter")),
        el("p", { class: "wrong", role: "alert", hidden: true }),
        el("datalist", { id: "table-columns" }, told.columns.map(({ name, type }) => el("option", { value: name }, type))),
        this.#pages(told, where, total),
        this.#rows(told),
        el("h2", {}, "Columns"),
        told.counted !== undefined && told.counted < told.rows && el("p", { class: "soft" }, `Figures are of the first ${count(told.counted)} rows.`),
        el("ul", { class: "columns" }, told.columns.map((column) => described(column, this.path))),
      ),
    );
    if (focused) this.view.querySelector("[name=where]").focus();
  }

  #pages(told, where, total) {
    const { offset, head } = told;
    const last = offset + head.length;
    const to = (start, words, on) => (on ? el("a", { class: "tool", href: address(this.path, where, start) }, words) : el("span", { class: "tool off" }, words));
    const scanned = told.scanned !== null && told.scanned !== undefined && told.scanned < told.rows ? ` of the first ${count(told.scanned)}` : "";
    return el(
      "nav",
      { class: "pages", "aria-label": "Pages" },
      to(Math.max(0, offset - PAGE), "Earlier", offset > 0),
      el("span", { class: "soft" }, total ? `${count(offset + 1)} to ${count(last)} of ${counted(total, "row")}${where ? ` that pass${scanned}` : ""}` : "no rows"),
      to(offset + PAGE, "Later", last < total),
    );
  }

  #rows(told) {
    return el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" },
      el(
        "table",
        { class: "rows" },
        el("thead", {}, el("tr", {}, told.columns.map(({ name, meaning, type }) => el("th", { scope: "col", class: kindOf(type), title: meaning ?? "" }, name, el("small", {}, type))))),
        el("tbody", {}, told.head.map((row) => el("tr", {}, told.columns.map((column) => this.#cell(column, row[column.name]))))),
      ),
    );
  }

  #cell({ name, type }, value) {
    if (value === null || value === undefined) return el("td", { class: `none ${kindOf(type)}` }, "null");
    if (isUid(value) && /uid$/.test(name)) {
      // Where there is no page of a pair, what is like it is the next best thing.
      const href = this.about.can.pairs ? `#/pair/${value}` : `#/search?t=%2Buid:${value}`;
      return el("td", {}, el("a", { href }, el("code", {}, value.slice(0, 12))));
    }
    if (/url$/.test(name) && safe(value)) return el("td", { class: "text" }, link(value));
    const text = plain(value);
    return el("td", { class: kindOf(type) }, el("span", { dir: "auto", title: text.length > 80 ? text : null }, text));
  }
}

const kindOf = (type) => (/^(u?int|float|double|half)/.test(type) ? "n" : "text");

function address(path, where = "", offset = 0) {
  const query = new URLSearchParams({ path });
  if (where) query.set("where", where);
  if (offset) query.set("offset", offset);
  return `#/browse?${query}`;
}

function described(column, path) {
  const { least, most, mean, shortest, longest, distinct, nulls, nan, common } = column;
  const there = (value) => value !== null && value !== undefined;
  const number = (value) => (typeof value === "number" ? digits(value) : plain(value));
  const figures = [
    there(least) && `${number(least)} to ${number(most)}`,
    there(mean) && `mean ${number(mean)}`,
    there(shortest) && `length ${count(shortest)}${shortest === longest ? "" : ` to ${count(longest)}`}`,
    there(distinct) && `${count(distinct)} distinct`,
    nulls > 0 && `${counted(nulls, "null")}`,
    nan > 0 && `${count(nan)} NaN`,
  ].filter(Boolean);
  const texts = kindOf(column.type) === "text" && /string|utf8|bool/.test(column.type);
  return el(
    "li",
    {},
    el("p", { class: "column" }, el("b", {}, column.name), el("code", {}, column.type), column.unit && el("span", { class: "soft" }, column.unit)),
    column.meaning && el("p", {}, column.meaning),
    figures.length > 0 && el("p", { class: "soft" }, figures.join(", ")),
    common?.length > 0 &&
      el(
        "ul",
        { class: "common", "aria-label": "Most frequent" },
        common.slice(0, 5).map(([value, number]) => {
          const text = plain(value);
          const says = [el("span", { dir: "auto" }, text.slice(0, 60)), el("small", {}, count(number))];
          if (!texts || typeof value !== "string" || value.length > 200 || !/^[A-Za-z_]\w*$/.test(column.name)) return el("li", {}, says);
          const quoted = `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
          return el("li", {}, el("a", { href: address(path, `${column.name} == ${quoted}`) }, says));
        }),
      ),
  );
}
