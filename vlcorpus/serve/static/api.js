// Questions to the server. What goes wrong is an ApiError with what the server says and how to mend it.
//
//     await get("/api/about")
//     await post("/api/search", { query: "a red car", k: 60 }, signal)

import { byId, el } from "/dom.js";

export class ApiError extends Error {
  constructor(status, message, hint = "") {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

let underway = 0;
let showing = 0;

function busy(change) {
  underway += change;
  clearTimeout(showing);
  // Quick answers show nothing: what flashes by disturbs.
  if (underway > 0) showing = setTimeout(() => (byId("busy").hidden = false), 150);
  else byId("busy").hidden = true;
}

async function ask(path, options) {
  busy(1);
  try {
    const response = await fetch(path, { credentials: "same-origin", ...options });
    const told = await response.json().catch(() => null);
    if (response.ok && told !== null) return told;
    throw new ApiError(response.status, told?.error ?? `the server answered ${response.status}`, told?.hint ?? "");
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    throw new ApiError(0, "the server does not answer", "is `vlcorpus serve` still running?");
  } finally {
    busy(-1);
  }
}

export const get = (path, signal) => ask(path, { signal });

export const post = (path, body, signal) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

export const send = (path, blob, signal) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": blob.type.startsWith("image/") ? blob.type : "application/octet-stream" },
    body: blob,
    signal,
  });

/** Shows an error in its place, with its hint; no error clears the place. Errors of what was given up are none. */
export function complain(place, error) {
  if (error?.name === "AbortError") return;
  place.hidden = !error;
  place.replaceChildren();
  if (!error) return;
  if (!(error instanceof ApiError)) console.error(error);
  place.append(el("b", {}, error.message), error.hint ? el("span", {}, error.hint) : "");
}
