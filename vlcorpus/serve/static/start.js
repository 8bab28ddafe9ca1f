// What stands there before anything is asked.

import { el, put } from "/dom.js";
import { counted, digits } from "/format.js";

export function start(place, about, ask) {
  const examples = about.can.text ? ["a red car on a wet street", '+"red car" -toy'] : [];
  put(
    place,
    el("h1", {}, about.name),
    el(
      "p",
      { class: "lead" },
      `${counted(about.rows, "pair")} with an embedding, in ${counted(about.shards.length, "shard")}.`,
      el("br"),
      el("span", { class: "model" }, about.model),
      about.dimension ? `, ${digits(about.dimension)} numbers each` : "",
    ),
    examples.length > 0 &&
      el(
        "ul",
        { class: "examples", "aria-label": "Examples" },
        examples.map((text) => el("li", {}, el("button", { type: "button", class: "tool", on: { click: () => ask(text) } }, text))),
      ),
    about.can.image && el("p", { class: "hint" }, "Or drop a picture anywhere, or paste one."),
    el(
      "nav",
      { class: "ways", "aria-label": "Ways in" },
      el("a", { href: "#/browse" }, el("b", {}, "Browse"), about.layers.length ? `${counted(about.layers.length, "layer")} and their tables` : "the tables, row by row"),
      about.decisions.map((name) => el("a", { href: `#/decision/${encodeURIComponent(name)}` }, el("b", {}, name), "what this decision kept and dropped")),
    ),
    about.notes.length > 0 && el("ul", { class: "notes", "aria-label": "Notes" }, about.notes.map((note) => el("li", {}, note))),
  );
}
