// Elements made of words. Text from the corpus only ever becomes a text node or an attribute that nothing runs.
//
//     el("p", { class: "caption", dir: "auto" }, pair.caption)
//     el("button", { type: "button", on: { click: go } }, icon("alike"), "More like this")

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function filled(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const el = (tag, properties = {}, ...children) =>
  filled(document.createElement(tag), properties, children);

export const svg = (tag, properties = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), properties, children);

/** Adds children to a node that is there. */
export const put = (node, ...children) => filled(node, {}, children);

export const icon = (name) =>
  svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));

/** The address, if a browser may follow it: http or https; else null. */
export function safe(address) {
  if (typeof address !== "string") return null;
  try {
    const url = new URL(address);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

/** A link to a page elsewhere, or its bare text where nothing may follow it. */
export function link(address, text = address) {
  const href = safe(address);
  if (href === null) return el("span", { class: "url" }, String(text));
  return el("a", { class: "url", href, rel: "noreferrer noopener", target: "_blank" }, String(text));
}

/** A picture of the corpus by its row; where there is none, a place that says so. */
export function picture(row, side, words = "") {
  const frame = el("span", { class: "picture" });
  if (row === null || row === undefined) {
    frame.append(el("span", { class: "blank" }, "no picture"));
    return frame;
  }
  const image = el("img", { alt: words, loading: "lazy", decoding: "async", draggable: "false" });
  image.addEventListener("error", () => image.replaceWith(el("span", { class: "blank" }, "no picture")));
  image.addEventListener("load", () => frame.classList.add("there"));
  image.src = `/api/picture/${Number(row)}?side=${Number(side)}`;
  frame.append(image);
  return frame;
}

/** A horizontal bar of parts: [[share of 1, class], ...]. */
export function bar(parts, label) {
  const node = svg("svg", { class: "bar-of", viewBox: "0 0 100 1", preserveAspectRatio: "none", role: "img" });
  node.setAttribute("aria-label", label);
  let from = 0;
  for (const [share, kind] of parts) {
    const width = Math.max(0, Math.min(100 - from, share * 100));
    node.append(svg("rect", { x: from, y: 0, width, height: 1, class: kind }));
    from += width;
  }
  return node;
}

export function say(text) {
  byId("said").textContent = text;
}

/** Whether keys are being written into something. */
export const writing = (target) =>
  target instanceof HTMLTextAreaElement ||
  target instanceof HTMLSelectElement ||
  (target instanceof HTMLInputElement && !["checkbox", "radio", "button", "file"].includes(target.type));
