// The pairs that were chosen, by uid, or by row where pairs have no uid; on every view, and over a reload.

const MOST = 100_000;
const NAME = /^([0-9a-f]{32}|\d{1,15})$/;
const chosen = new Set();
const listeners = new Set();
let place = "";

/** Finds what this tab had chosen of the corpus of that name. What the browser kept is not trusted. */
export function remember(name) {
  place = `vlcorpus-selection:${name}`;
  try {
    for (const name of JSON.parse(sessionStorage.getItem(place) ?? "[]").slice(0, MOST)) {
      if (NAME.test(name)) chosen.add(String(name));
    }
  } catch {
    // nothing was kept that can be read
  }
  told();
}

function told() {
  try {
    sessionStorage.setItem(place, JSON.stringify([...chosen]));
  } catch {
    // no room, or not allowed: then it lasts as long as the page
  }
  for (const listener of listeners) listener();
}

/** What a pair is chosen by. */
export const of = (pair) => pair.uid ?? String(pair.row);

export const has = (name) => chosen.has(name);
export const all = () => [...chosen];
/** The part of an export's question that names them. */
export const named = () => (all().every((name) => name.length === 32) ? { uids: all() } : { rows: all().map(Number) });

export const number = () => chosen.size;
export const changed = (listener) => listeners.add(listener);

export function choose(names, on = true) {
  for (const name of names) {
    if (!NAME.test(name)) continue;
    if (on) chosen.add(name);
    else chosen.delete(name);
  }
  told();
}

export function clear() {
  chosen.clear();
  told();
}
