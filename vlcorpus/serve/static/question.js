// What is asked, as the address says it: #/search?q=a+red+car&t=%2Buid:01ab...&where=width+%3E=+512&min=0.284
//
//     read("#/search?q=dog&t=-uid:01ab...&min=0.3")
//         { q: "dog", terms: [{ sign: -1, kind: "uid", value: "01ab..." }], where: "", side: "image", fold: true, min: 0.3 }

const TERM = /^([+-])(uid:[0-9a-f]{6,32}|upload:[0-9a-f]{1,64})$/;
export const MOST_TERMS = 16;

export const nothing = () => ({ q: "", terms: [], where: "", side: "image", fold: true, min: null });

/** `route` of app.js: { path, query }. What the address says wrongly is left out. */
export function read(query) {
  const asked = nothing();
  asked.q = query.get("q") ?? "";
  asked.where = query.get("where") ?? "";
  asked.side = query.get("side") === "text" ? "text" : "image";
  asked.fold = query.get("fold") !== "0";
  const min = Number.parseFloat(query.get("min") ?? "");
  asked.min = Number.isFinite(min) && Math.abs(min) <= 1 ? min : null;
  for (const text of query.getAll("t").slice(0, MOST_TERMS)) {
    const found = TERM.exec(text);
    if (!found) continue;
    const [kind, value] = found[2].split(":");
    asked.terms.push({ sign: found[1] === "-" ? -1 : 1, kind, value });
  }
  return asked;
}

export function written(asked) {
  const query = new URLSearchParams();
  if (asked.q) query.set("q", asked.q);
  for (const term of asked.terms) query.append("t", `${term.sign < 0 ? "-" : "+"}${term.kind}:${term.value}`);
  if (asked.where) query.set("where", asked.where);
  if (asked.side === "text") query.set("side", "text");
  if (!asked.fold) query.set("fold", "0");
  if (asked.min !== null) query.set("min", String(asked.min));
  const text = query.toString();
  return `#/search${text ? `?${text}` : ""}`;
}

/** What decides the answer: two questions with the same key have the same hits. The threshold only hides some. */
export const key = (asked) => written({ ...asked, min: null });

export const isEmpty = (asked) => !asked.q.trim() && asked.terms.length === 0;

/** The body of /api/search. */
export function body(asked, k, offset) {
  const wanted = { side: asked.side, folded: asked.fold, k, offset };
  if (asked.q.trim()) wanted.query = asked.q.trim();
  if (asked.terms.length) wanted.terms = asked.terms.map(({ sign, kind, value }) => ({ weight: sign, kind, value }));
  if (asked.where.trim()) wanted.where = asked.where.trim();
  return wanted;
}
