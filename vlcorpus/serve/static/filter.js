// The filter's box: completes names of columns and functions, and says what is wrong in its place.

import { byId, el } from "/dom.js";

const FUNCTIONS = {
  length: "characters, or texts of a list",
  words: "parts between white space",
  lower: "in lower case",
  contains: "(text, \"part\")",
  starts_with: "(text, \"part\")",
  ends_with: "(text, \"part\")",
  matches: "(text, \"pattern\")",
  has: "(list, \"part\")",
  domain: "host of an address",
  extension: "of an address",
  missing: "no value there",
  coalesce: "the first that is there",
};
const MOST = 8;
const NAME = /`?[A-Za-z_][A-Za-z0-9_.]*$/;

export class Filter {
  constructor({ asked }) {
    this.input = byId("where");
    this.list = byId("where-list");
    this.asked = asked;
    this.names = [];
    this.at = -1;
    this.input.addEventListener("input", () => this.#suggest());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.input.addEventListener("blur", () => this.#close());
    this.input.addEventListener("change", () => this.asked(this.input.value.trim()));
    byId("where-clear").addEventListener("click", () => {
      this.input.value = "";
      this.asked("");
      this.input.focus();
    });
  }

  columns(types) {
    this.names = [
      ...Object.entries(types).sort(([one], [other]) => one.includes(".") - other.includes(".")).map(([name, type]) => ({ name, says: type, insert: /^[A-Za-z_][\w.]*$/.test(name) ? name : `\`${name}\`` })),
      ...Object.entries(FUNCTIONS).map(([name, says]) => ({ name: `${name}()`, says, insert: `${name}(` })),
    ];
  }

  set(text) {
    if (this.input.value !== text) this.input.value = text;
    this.#tidy();
  }

  #tidy() {
    byId("where-clear").hidden = this.input.value === "";
  }

  #word() {
    const before = this.input.value.slice(0, this.input.selectionStart);
    const quotes = (before.match(/"/g) ?? []).length;
    return quotes % 2 ? "" : (NAME.exec(before)?.[0] ?? "");
  }

  #suggest() {
    this.#tidy();
    const word = this.#word().replace("`", "").toLowerCase();
    const fits = (each) => each.name.toLowerCase().startsWith(word);
    const holds = (each) => !fits(each) && each.name.toLowerCase().includes(word);
    const found = word ? [...this.names.filter(fits), ...this.names.filter(holds)].slice(0, MOST) : [];
    if (found.length === 0 || (found.length === 1 && found[0].name === word)) return this.#close();
    this.found = found;
    this.at = -1;
    this.list.replaceChildren(
      ...found.map((each, number) =>
        el(
          "li",
          {
            id: `where-${number}`,
            role: "option",
            "aria-selected": "false",
            on: { pointerdown: (event) => (event.preventDefault(), this.#take(number)) },
          },
          el("span", {}, each.name),
          el("small", {}, each.says),
        ),
      ),
    );
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
  }

  #close() {
    this.list.hidden = true;
    this.at = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  #mark(number) {
    this.at = (number + this.found.length) % this.found.length;
    [...this.list.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === this.at)));
    this.input.setAttribute("aria-activedescendant", `where-${this.at}`);
  }

  #take(number) {
    const at = this.input.selectionStart;
    const start = at - this.#word().length;
    const put = this.found[number].insert;
    this.input.setRangeText(put, start, at, "end");
    this.#close();
    this.#tidy();
  }

  #key(event) {
    const open = !this.list.hidden;
    if (event.key === "Enter" && (!open || this.at < 0)) {
      event.preventDefault();
      this.#close();
      this.asked(this.input.value.trim(), true);
      return;
    }
    if (!open) return;
    const acts = {
      ArrowDown: () => this.#mark(this.at + 1),
      ArrowUp: () => this.#mark(this.at < 0 ? this.found.length - 1 : this.at - 1),
      Enter: () => this.#take(this.at),
      Escape: () => this.#close(),
    };
    if (event.key === "Tab" && this.at >= 0) acts.Tab = acts.Enter;
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }
}
