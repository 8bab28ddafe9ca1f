// One pair's life, as `vlcorpus show` tells it: found, fetched, stored, embedded, scored, decided on, grouped, split.

import { complain, get } from "/api.js";
import { el, icon, link, picture, safe } from "/dom.js";
import { count, counted, digits, plain, score, size, words } from "/format.js";
import * as selection from "/selection.js";

const MOST_MEMBERS = 24;
const ADDRESSES = /(^|_)url$|^url$/;

export class Pair {
  /** like(pair): more like it. */
  constructor(view, { able, like, back }) {
    Object.assign(this, { view, able, like, back });
    selection.changed(() => this.#checked());
  }

  async show(uid) {
    this.uid = uid;
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    const wrong = el("p", { class: "wrong", role: "alert" });
    try {
      const told = await get(`/api/pair/${encodeURIComponent(uid)}`, asking.signal);
      this.told = told;
      this.view.replaceChildren(this.#page(told));
      this.#checked();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.told = null;
      complain(wrong, error);
      this.view.replaceChildren(this.#head(), wrong);
    }
  }

  get title() {
    return `pair ${this.uid?.slice(0, 8)}`;
  }

  more() {
    if (this.told?.row !== null && this.told !== null) this.like(this.#asPair());
  }

  select() {
    if (this.told) selection.choose([this.told.uid], !selection.has(this.told.uid));
  }

  #asPair() {
    return { uid: this.told.uid, row: this.told.row, caption: caption(this.told) };
  }

  #checked() {
    const button = this.view.querySelector(".select");
    if (!button || !this.told) return;
    const chosen = selection.has(this.told.uid);
    button.setAttribute("aria-pressed", String(chosen));
    button.textContent = chosen ? "Selected" : "Select";
  }

  #head() {
    return el("p", { class: "way-back" }, el("button", { type: "button", class: "tool", on: { click: this.back } }, icon("back"), "Back"));
  }

  #page(told) {
    const url = told.found.url ?? told.fetched?.url ?? null;
    return el(
      "article",
      { class: "life" },
      this.#head(),
      el(
        "figure",
        { class: "large" },
        picture(this.able.pictures ? told.row : null, 1024, "The pair's picture"),
      ),
      el(
        "div",
        { class: "facts" },
        el("blockquote", { class: "words", dir: "auto", tabindex: "0", "aria-label": "Words" }, caption(told)),
        url !== null && el("p", { class: "address" }, link(url)),
        el("p", { class: "names" }, el("code", {}, told.uid), told.key && el("span", {}, `key ${told.key}`), el("span", {}, `shard ${told.shard}`)),
        el(
          "p",
          { class: "buttons" },
          told.row !== null && el("button", { type: "button", class: "main", on: { click: () => this.more() } }, icon("alike"), "More like this"),
          el("button", { type: "button", class: "tool select", "aria-pressed": "false", on: { click: () => this.select() } }, "Select"),
        ),
        told.rejected !== null && el("p", { class: "notice" }, el("b", {}, `Rejected: ${told.rejected}`)),
        ...this.#steps(told),
        el("details", { class: "raw" }, el("summary", {}, "All as JSON"), el("pre", { tabindex: "0" }, JSON.stringify(told, null, 2))),
      ),
    );
  }

  *#steps(told) {
    const { found, fetched } = told;
    yield step("Found", [
      line("by", `${found.source}, number ${plain(found.offset)}`),
      found.page_url && line("on", link(found.page_url)),
      found.file && line("as", found.file),
      found.language && line("language", `${found.language}${Number.isFinite(found.language_score) ? ` ${found.language_score.toFixed(2)}` : ""}${found.language_reliable ? ", reliable" : ""}`),
      found.text_source && line("words from", `${found.text_source}, image from ${found.image_source}`),
      found.optout && line("opt-outs", plain(found.optout)),
      ...["page_title", "context", "page_language", "licence", "given_uid"].map((name) => found[name] && line(words(name), el("span", { dir: "auto" }, found[name]))),
      told.page && line("visited", `${plain(told.page.fetched_at).replace("T", " ")}, ${counted(told.page.depth, "link")} from a seed`),
      every(found, ["uid", "url", "alt_text"]),
      told.page && every(told.page, [], "of the page's visit"),
    ]);
    if (told.rejected !== null) return;
    yield step("Fetched", fetched === null ? [line("", "not yet")] : fetching(fetched));
    if (told.stored) {
      const { tar, key, members } = told.stored;
      yield step("Stored", [
        line("in", `${tar} as ${key}`),
        fetched?.width && line("size", `${fetched.width} × ${fetched.height} px`),
        ...Object.entries(members).map(([ending, [offset, length]]) => line(`.${ending}`, `${count(length)} bytes at byte ${count(offset)}`)),
      ]);
    }
    if (told.embedded.length) {
      yield step("Embedded", told.embedded.map((each) =>
        line(each.model, `row ${count(each.row)}, ${each.dimension} numbers, norms ${fixed(each.image_norm)} (image), ${fixed(each.text_norm)} (text)`)));
    }
    const scores = Object.entries(told.scores);
    if (scores.length) yield step("Scores", scores.map(([name, value]) => line(name, el("span", { class: "number" }, score(name, value)))));
    if (told.decisions.length) yield step("Decisions", told.decisions.map(decided), "div");
    if (told.groups.length) yield step("Near-duplicates", told.groups.map((group) => this.#group(group, told)), "div");
    const splits = Object.entries(told.splits);
    if (splits.length) yield step("Splits", splits.map(([name, split]) => line(name, split)));
    if (told.exports.length) yield step("Exported", told.exports.map((each) => line(each.folder, `${each.tar} as ${each.key}`)));
  }

  #group(group, told) {
    const own = group.members.find((member) => member.uid === told.uid)?.image_id;
    const list = el("ul", { class: "members" });
    for (const member of group.members.slice(0, MOST_MEMBERS)) {
      const same = member.uid === told.uid ? "this pair" : member.image_id === own ? "same image, other text" : member.kind;
      const frame = el("span", { class: "picture" });
      list.append(el("li", {}, el("a", { href: `#/pair/${member.uid}`, "aria-label": `${member.uid.slice(0, 8)}: ${same}` }, frame, el("small", {}, same))));
      this.#look(member, told, frame);
    }
    const left = group.members.length - MOST_MEMBERS;
    return el(
      "section",
      { class: "group" },
      el("h3", {}, group.duplicates, el("small", {}, ` one of ${count(group.members.length)} in group `, el("code", {}, group.group))),
      list,
      left > 0 && el("p", { class: "soft" }, `and ${count(left)} more`),
      el(
        "dl",
        { class: "lines" },
        Object.entries(group.keepers).map(([name, keeper]) =>
          line(
            name === "all" ? "without a decision" : `under ${name}`,
            keeper === null ? "none stands for the group, as none is kept" : keeper === told.uid ? "this pair stands for the group" : el("a", { href: `#/pair/${keeper}` }, `${keeper.slice(0, 12)} stands for the group`),
          ),
        ),
      ),
    );
  }

  /** Pictures go by row, and a member is told by uid. */
  async #look(member, told, frame) {
    let row = member.uid === told.uid ? told.row : member.row;
    try {
      if (row === undefined) ({ row } = await get(`/api/pair/${member.uid}`, this.asking.signal));
    } catch {
      row = null;
    }
    frame.replaceWith(picture(this.able.pictures ? row : null, 256));
  }
}

const caption = (told) => told.found.caption ?? told.found.alt_text ?? told.fetched?.caption ?? "";

const fixed = (number) => (Number.isFinite(number) ? number.toFixed(4) : "none");

const step = (name, lines, list = "dl") => el("section", { class: "step" }, el("h2", {}, name), el(list, { class: "lines" }, lines));

function line(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

function fetching(row) {
  const status = row.http_status === null ? "" : `HTTP ${row.http_status} `;
  if (row.status !== "success") return [line("", `${status}${row.error_message ?? row.reason}`), every(row, ["uid", "url", "caption"])];
  const told = [row.content_type, row.original_bytes !== null && size(row.original_bytes), row.original_width !== null && `${row.original_width} × ${row.original_height} px`];
  return [
    line("answer", status + told.filter(Boolean).join(", ")),
    row.final_url && row.final_url !== row.url && line("from", link(row.final_url)),
    row.sha256 && line("sha256", el("code", {}, row.sha256)),
    row.optout && line("opt-outs", plain(row.optout)),
    every(row, ["uid", "url", "caption"]),
  ];
}

/** All values of a row, folded. */
function every(row, but, of = "") {
  const values = Object.entries(row).filter(([name, value]) => value !== null && !but.includes(name));
  const lines = values.map(([name, value]) => line(words(name), ADDRESSES.test(name) && safe(value) ? link(value) : el("span", { dir: "auto" }, plain(value))));
  return el("div", { class: "wide" }, el("dt", { class: "unseen" }, "fields"), el("dd", {}, el("details", {}, el("summary", {}, `${counted(values.length, "field")} ${of}`), el("dl", { class: "lines fields" }, lines))));
}

function decided(each) {
  const weight = each.keep && each.weight !== 1 ? `, weight ${digits(each.weight)}` : "";
  return el(
    "section",
    { class: "decided" },
    el("h3", {}, el("a", { href: `#/decision/${encodeURIComponent(each.decision)}` }, each.decision), el("span", { class: each.keep ? "verdict kept" : "verdict dropped" }, (each.keep ? "kept" : "not kept") + weight)),
    el(
      "ul",
      {},
      each.judgements.map((one) => {
        const value = one.column === null ? "" : one.value === null ? "no value" : typeof one.value === "number" ? digits(one.value) : plain(one.value);
        const threshold = one.column === null || one.threshold === null ? "" : `threshold ${typeof one.threshold === "number" ? digits(one.threshold) : plain(one.threshold)}`;
        return el(
          "li",
          { class: one.passed ? "pass" : "fail" },
          el("b", {}, one.passed ? "pass" : "fail"),
          el("span", { class: "rule" }, one.rule),
          value && el("span", { class: "number" }, value),
          threshold && el("span", { class: "soft" }, threshold),
        );
      }),
    ),
  );
}
