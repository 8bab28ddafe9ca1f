// The query's box: its words, the pictures in it as chips with a sign, and pictures that are uploaded, dropped, pasted.

import { ApiError, complain, get, send } from "/api.js";
import { byId, el, icon, picture } from "/dom.js";
import { size } from "/format.js";

const known = new Map(); // "uid:01ab..." or "upload:..." -> { row?, blob?, words }

/** What is known of a term from where it was taken: its row, its words, or the picture that was sent. */
export function introduce(kind, value, about) {
  known.set(`${kind}:${value}`, { ...known.get(`${kind}:${value}`), ...about });
}

export class Chips {
  /** changed(terms): told of each change by hand. */
  constructor({ changed, able, limits }) {
    Object.assign(this, { changed, able, limits });
    this.terms = [];
    this.list = byId("chips");
    byId("upload").hidden = !able.image;
    byId("upload").addEventListener("click", () => byId("file").click());
    byId("file").addEventListener("change", (event) => {
      this.take(event.target.files);
      event.target.value = "";
    });
    if (able.image) this.#catchPictures();
  }

  set(terms) {
    this.terms = terms;
    this.list.hidden = terms.length === 0;
    this.list.replaceChildren(...terms.map((term, place) => this.#chip(term, place)));
  }

  #chip(term, place) {
    const name = `${term.kind}:${term.value}`;
    const about = known.get(name);
    const says = about?.words || (term.kind === "upload" ? "your picture" : term.value.slice(0, 8));
    const thumb = el("span", { class: "thumb" });
    if (about?.blob) thumb.append(el("img", { src: about.blob, alt: "" }));
    else if (about?.row !== undefined && this.able.pictures) thumb.append(picture(about.row, 256));
    else if (term.kind === "uid" && this.able.pairs && !about?.asked) this.#meet(term);
    const less = term.sign < 0;
    return el(
      "li",
      { class: less ? "chip less" : "chip" },
      el(
        "button",
        {
          type: "button",
          class: "sign",
          "aria-label": less ? `Away from ${says}: turn to like it` : `Like ${says}: turn to away from it`,
          title: less ? "away from this" : "like this",
          on: { click: () => this.#change(place, { ...term, sign: -term.sign }) },
        },
        less ? "−" : "+",
      ),
      thumb,
      el("span", { class: "says", dir: "auto", title: says }, says),
      el("button", { type: "button", class: "off", "aria-label": `Remove ${says}`, on: { click: () => this.#change(place, null) } }, icon("close")),
    );
  }

  /** A uid out of an address: what it looks like is asked for. */
  async #meet(term) {
    introduce(term.kind, term.value, { asked: true });
    try {
      const told = await get(`/api/pair/${term.value}`);
      introduce(term.kind, term.value, { row: told.row ?? undefined, words: told.found?.alt_text });
      this.set(this.terms);
    } catch {
      // the search itself says what is wrong with it
    }
  }

  #change(place, term) {
    const terms = this.terms.toSpliced(place, 1, ...(term ? [term] : []));
    this.changed(terms);
    (this.list.children[place]?.querySelector(term ? ".sign" : ".off") ?? byId("q")).focus();
  }

  /** Files that were chosen, dropped or pasted: the first picture is searched with. */
  async take(files) {
    const file = [...(files ?? [])].find((each) => each.type.startsWith("image/"));
    const wrong = byId("ask-wrong");
    if (!file) return complain(wrong, files?.length ? new ApiError(0, "that is no picture") : null);
    if (file.size > this.limits.upload_bytes) {
      return complain(wrong, new ApiError(0, `the picture has ${size(file.size)}, more than ${size(this.limits.upload_bytes)}`));
    }
    complain(wrong, null);
    try {
      const { upload } = await send("/api/upload", file);
      introduce("upload", upload, { blob: URL.createObjectURL(file), words: file.name || "your picture" });
      this.changed([...this.terms.filter(({ value }) => value !== upload), { sign: 1, kind: "upload", value: upload }]);
    } catch (error) {
      complain(wrong, error);
    }
  }

  #catchPictures() {
    const shade = byId("drop");
    const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    let inside = 0;
    const shown = (on) => (shade.hidden = !on);
    addEventListener("dragenter", (event) => carries(event) && shown(++inside > 0));
    addEventListener("dragleave", (event) => carries(event) && shown(--inside > 0));
    addEventListener("dragover", (event) => carries(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      inside = 0;
      shown(false);
      this.take(event.dataTransfer.files);
    });
    addEventListener("paste", (event) => {
      if (!event.clipboardData?.files.length) return;
      event.preventDefault();
      this.take(event.clipboardData.files);
    });
  }
}
