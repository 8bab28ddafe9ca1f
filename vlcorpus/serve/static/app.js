// The page: which view an address shows, and the keys.
//
//     #/search?q=a+red+car&min=0.284     #/pair/0123…     #/browse?path=shards     #/decision/NAME?verdict=dropped
//
// All that is shown can be linked to. Whoever goes back finds the page as it was left.

import { complain, get } from "/api.js";
import { Browse } from "/browse.js";
import { Decision } from "/decision.js";
import { byId, el, writing } from "/dom.js";
import { Pair } from "/pair.js";
import { Search } from "/search.js";
import * as selection from "/selection.js";

const VIEWS = ["search", "pair", "browse", "decision"];
const scrolled = {};
let about;
let views;
let shown = null;
let lastSearch = "#/search";

function here() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
  const parts = path.split("/").filter(Boolean);
  const name = VIEWS.includes(parts[0]) ? parts[0] : "search";
  let rest = parts.slice(1).join("/");
  try {
    rest = decodeURIComponent(rest);
  } catch {
    // an address that somebody typed
  }
  return { name, rest, query: new URLSearchParams(query) };
}

/** Goes to an address of this page. replace: it takes the place of the present one. again: shown anew if it is that. */
function go(address, { replace = false, again = false } = {}) {
  if (address === location.hash) return again ? show() : undefined;
  if (!replace) {
    location.hash = address;
    return undefined;
  }
  history.replaceState(null, "", address);
  lastSearch = address;
  return undefined;
}

async function show() {
  const { name, rest, query } = here();
  if (shown !== null && shown !== name) scrolled[shown] = scrollY;
  for (const view of VIEWS) byId(`view-${view}`).hidden = view !== name;
  const before = shown;
  shown = name;
  for (const [id, own] of [["to-search", "search"], ["to-browse", "browse"]]) {
    if (name === own) byId(id).setAttribute("aria-current", "page");
    else byId(id).removeAttribute("aria-current");
  }
  if (name === "search") {
    lastSearch = location.hash || "#/search";
    byId("to-search").href = lastSearch;
    if (before !== null && before !== name) scrollTo(0, scrolled.search ?? 0);
    await views.search.show(query);
    if (before === "pair") views.search.grid.focus();
  } else {
    if (before !== name || name === "pair") scrollTo(0, 0);
    if (name === "pair") await views.pair.show(rest);
    else if (name === "browse") await views.browse.show(query);
    else await views.decision.show(rest, query);
  }
  if (shown === name) document.title = [views[name].title, about.name, "vlcorpus"].filter(Boolean).join(" · ");
}

function back() {
  if (history.length > 1 && shown === "pair") history.back();
  else location.hash = lastSearch;
}

function keys(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const { target, key } = event;
  if (writing(target)) {
    if (key === "Escape") {
      if (!byId("syntax").hidden) views.search.syntax(false);
      else target.blur();
    }
    if (key === "ArrowDown" && target.id === "q") {
      event.preventDefault();
      views.search.grid.focus();
    }
    return;
  }
  const grid = shown === "search" ? views.search.grid : shown === "decision" ? views.decision.grid : null;
  const acts = {
    "/": () => {
      if (shown !== "search") location.hash = lastSearch;
      byId("view-search").hidden = false;
      byId("q").focus();
      byId("q").select();
    },
    "?": () => byId("keys").showModal(),
    m: () => shown === "pair" && views.pair.more(),
    x: () => shown === "pair" && views.pair.select(),
    t: () => shown === "search" && byId("handle").focus(),
    e: () => views.search.exporting.open(),
    Escape: () => {
      if (!byId("syntax").hidden) views.search.syntax(false);
      else if (shown === "pair") back();
      else document.activeElement?.blur();
    },
    ArrowRight: () => grid?.focus(),
    ArrowDown: () => target === document.body && grid?.list.isConnected && grid.focus(),
  };
  if (!acts[key] || (key === "ArrowRight" && target !== document.body)) return;
  if (key.length === 1) event.preventDefault();
  acts[key]();
}

async function begin() {
  for (const button of document.querySelectorAll("dialog [data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }
  byId("keys-open").addEventListener("click", () => byId("keys").showModal());
  try {
    about = await get("/api/about");
  } catch (error) {
    const wrong = el("p", { class: "wrong", role: "alert" });
    complain(wrong, error);
    byId("main").prepend(wrong);
    return;
  }
  byId("corpus").textContent = about.name;
  const search = new Search(about, go);
  const like = (pair, sign = 0) => search.like(pair, sign);
  views = {
    search,
    pair: new Pair(byId("view-pair"), { able: about.can, like, back }),
    browse: new Browse(byId("view-browse"), { about, go }),
    decision: new Decision(byId("view-decision"), { about, go, like }),
  };
  selection.remember(about.name);
  addEventListener("hashchange", show);
  addEventListener("keydown", keys);
  history.scrollRestoration = "manual";
  await show();
}

begin();
