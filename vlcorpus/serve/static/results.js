// Pictures in a grid: the results of a search, and what a decision kept or dropped.
//
//     const grid = new Grid(byId("results"), { can, more });
//     grid.add(hits);  grid.atLeast(0.284);  grid.focused()
//
// A pair is { row, uid, caption, url, similarity?, copies? }. One card at a time is in the order of tabs; arrow keys go
// through the others. Copies (near-duplicates) lie behind their card until they are unfolded.

import { el, icon, picture } from "/dom.js";
import { count, domain, near } from "/format.js";
import * as selection from "/selection.js";

const SIDE = 256;
let numbered = 0;

export class Grid {
  /** more(pair, sign): sign 0 replaces the query, 1 and -1 add to it. able: { pairs, pictures }. */
  constructor(list, { able, more }) {
    Object.assign(this, { list, able, more });
    this.pairs = new Map(); // card -> pair
    list.addEventListener("focusin", (event) => this.#current(event.target.closest(".card")));
    list.addEventListener("keydown", (event) => this.#key(event));
    selection.changed(() => this.#checked());
  }

  clear() {
    this.pairs.clear();
    this.list.replaceChildren();
  }

  add(pairs) {
    const cards = pairs.map((pair) => this.#card(pair));
    this.list.append(...cards);
    if (cards.length && !this.list.querySelector(".card[data-current]")) this.#current(this.list.firstElementChild);
    this.#checked();
  }

  get cards() {
    return [...this.list.children].filter((card) => !card.hidden);
  }

  /** Shows what is at least so near; null shows all. Gives how many are shown, without copies. */
  atLeast(min) {
    let shown = 0;
    for (const [card, pair] of this.pairs) {
      card.hidden = min !== null && pair.similarity < min;
      if (!card.hidden && !pair.copyOf) shown++;
    }
    const current = this.list.querySelector(".card[data-current]");
    if (current?.hidden) this.#current(this.cards[0]);
    return shown;
  }

  /** What is shown, by the names that selections go by. */
  names() {
    return this.cards.map((card) => selection.of(this.pairs.get(card)));
  }

  focused() {
    const card = document.activeElement?.closest(".card");
    return card && this.pairs.has(card) ? card : null;
  }

  focus() {
    this.list.querySelector(".card[data-current] .shot")?.focus();
  }

  #card(pair) {
    const id = `card-${++numbered}`;
    const copies = pair.copies ?? [];
    const opens = this.able.pairs && pair.uid;
    const shot = el(opens ? "a" : "span", { class: "shot", tabindex: "-1", "aria-labelledby": `${id}-text ${id}-near` });
    if (opens) shot.href = `#/pair/${pair.uid}`;
    else shot.setAttribute("role", "group");
    shot.append(this.able.pictures ? picture(pair.row, SIDE) : el("span", { class: "picture wordy", dir: "auto" }, pair.caption ?? ""));
    const card = el(
      "li",
      { class: "card", id },
      shot,
      this.#pick(pair),
      pair.uid &&
        this.more &&
        el(
          "div",
          { class: "acts" },
          this.#act("alike", "More like this", pair, 0),
          this.#act("plus", "Add to the query", pair, 1),
          this.#act("minus", "Take away from the query", pair, -1),
        ),
      copies.length > 0 && this.#badge(pair, copies.length),
      el(
        "div",
        { class: "about" },
        Number.isFinite(pair.similarity) && el("span", { class: "near", id: `${id}-near` }, near(pair.similarity)),
        pair.badge ?? null,
        el("span", { class: "domain", title: pair.url ?? "" }, domain(pair.url)),
      ),
      el("p", { class: "caption", dir: "auto", id: `${id}-text`, title: pair.caption ?? "" }, pair.caption ?? (pair.copyOf ? "near-duplicate" : "")),
    );
    this.pairs.set(card, pair);
    return card;
  }

  #pick(pair) {
    const change = (event) => selection.choose([selection.of(pair)], event.target.checked);
    const box = el("input", { type: "checkbox", tabindex: "-1", "aria-label": "Select", on: { change } });
    return el("label", { class: "pick" }, box);
  }

  #act(sign, label, pair, way) {
    const act = () => this.more(pair, way);
    return el("button", { type: "button", class: sign, tabindex: "-1", "aria-label": label, title: label, on: { click: act } }, icon(sign));
  }

  #badge(pair, number) {
    const label = `${number === 1 ? "1 near-duplicate" : `${count(number)} near-duplicates`}`;
    return el(
      "button",
      { type: "button", class: "stack", tabindex: "-1", "aria-expanded": "false", "aria-label": label, title: label, on: { click: (event) => this.#unfold(event.target.closest(".card")) } },
      icon("stack"),
      `+${count(number)}`,
    );
  }

  #unfold(card) {
    const pair = this.pairs.get(card);
    if (!pair?.copies?.length) return;
    const open = card.classList.toggle("unfolded");
    card.querySelector(".stack").setAttribute("aria-expanded", String(open));
    if (!open) {
      for (const copy of this.list.querySelectorAll(`.card[data-of="${card.id}"]`)) {
        this.pairs.delete(copy);
        copy.remove();
      }
      this.#current(card);
      return;
    }
    const copies = pair.copies.map((copy) => {
      const added = this.#card({ ...copy, copyOf: pair.uid });
      added.dataset.of = card.id;
      added.classList.add("copy");
      return added;
    });
    card.after(...copies);
    this.#checked();
  }

  #current(card) {
    if (!card || !this.pairs.has(card)) return;
    for (const other of this.list.querySelectorAll(".card[data-current]")) {
      if (other === card) continue;
      delete other.dataset.current;
      for (const node of other.querySelectorAll(".shot, button, input")) node.tabIndex = -1;
    }
    card.dataset.current = "";
    for (const node of card.querySelectorAll(".shot, button, input")) node.tabIndex = 0;
  }

  #checked() {
    for (const [card, pair] of this.pairs) {
      const box = card.querySelector(".pick input");
      box.checked = selection.has(selection.of(pair));
      card.classList.toggle("chosen", box.checked);
    }
  }

  #columns(cards) {
    const top = cards[0].offsetTop;
    const next = cards.findIndex((card) => card.offsetTop !== top);
    return next < 0 ? cards.length : next;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const card = this.focused();
    if (!card) return;
    const pair = this.pairs.get(card);
    const cards = this.cards;
    const at = cards.indexOf(card);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? { ArrowUp: -1, ArrowDown: 1 }[event.key] * this.#columns(cards);
    if (Number.isFinite(step)) {
      event.preventDefault();
      cards[at + step]?.querySelector(".shot").focus();
      return;
    }
    const acts = {
      Home: () => cards[0].querySelector(".shot").focus(),
      End: () => cards.at(-1).querySelector(".shot").focus(),
      m: () => pair.uid && this.more?.(pair, 0),
      x: () => selection.choose([selection.of(pair)], !selection.has(selection.of(pair))),
      u: () => this.#unfold(card),
      Escape: () => card.classList.contains("unfolded") && (this.#unfold(card), event.stopPropagation()),
    };
    if (!acts[event.key]) return;
    if (event.key !== "Escape") event.preventDefault();
    acts[event.key]();
  }
}
