// How near every pair of the corpus is, drawn, with a threshold to drag.
//
//     const spread = new Histogram(byId("plot"), byId("handle"), { moved, settled });
//     spread.show([-1, 0.002], counts);  spread.place(0.284);  spread.atLeast(0.284) -> 1234
//
// The counts come once a query; moving the threshold only adds them up, so nothing is asked meanwhile. A threshold is
// the lower edge of a bin, so that what is counted is what is exported; null where there is none.

import { byId, svg } from "/dom.js";
import { count, near } from "/format.js";

const TALL = 104;
const FOOT = 18; // for the axis
const ROUND = 25; // bins: the axis begins and ends at a multiple of 0.05
const NARROWEST = 50; // bins
const PAGE = 10;

export class Histogram {
  constructor(plot, handle, { moved, settled }) {
    Object.assign(this, { plot, handle, moved, settled });
    this.min = null;
    this.counts = [];
    this.edges = [-1, 0.002];
    this.above = svg("rect", { x: 0, y: 0, width: 0, height: TALL });
    this.shape = svg("path", { class: "all" });
    this.cut = svg("path", { class: "above", "clip-path": "url(#above-threshold)" });
    this.axis = svg("g", { class: "axis" });
    const clip = svg("clipPath", { id: "above-threshold" }, this.above);
    this.drawing = svg("svg", { "aria-hidden": "true", height: TALL + FOOT }, svg("defs", {}, clip), this.shape, this.cut, this.axis);
    plot.prepend(this.drawing);
    new ResizeObserver(() => this.draw()).observe(plot);
    plot.addEventListener("pointerdown", (event) => this.#grab(event));
    plot.addEventListener("pointermove", (event) => this.#hover(event));
    plot.addEventListener("pointerleave", () => (byId("hover").textContent = ""));
    handle.addEventListener("keydown", (event) => this.#key(event));
  }

  /** edges: [lowest, step]; counts: pairs of each bin. */
  show(edges, counts) {
    this.edges = edges;
    this.counts = counts;
    this.from = new Float64Array(counts.length + 1); // pairs at or above a bin
    for (let bin = counts.length - 1; bin >= 0; bin--) this.from[bin] = this.from[bin + 1] + counts[bin];
    const first = counts.findIndex((each) => each > 0);
    const last = counts.findLastIndex((each) => each > 0);
    let low = first < 0 ? counts.length / 2 : Math.floor(first / ROUND) * ROUND;
    let high = Math.max(low, Math.ceil((last + 1) / ROUND) * ROUND);
    while (high - low < NARROWEST) {
      low = Math.max(0, low - ROUND);
      high = Math.min(counts.length, high + ROUND);
    }
    this.low = low;
    this.high = high;
    this.draw();
    this.place(this.min);
  }

  clear() {
    this.counts = [];
    this.shape.removeAttribute("d");
    this.cut.removeAttribute("d");
    this.axis.replaceChildren();
  }

  get total() {
    return this.from?.[0] ?? 0;
  }

  /** Pairs at or above a threshold; all of them where there is none. */
  atLeast(min) {
    return min === null ? this.total : this.from[Math.max(0, Math.min(this.counts.length, this.bin(min)))];
  }

  bin(similarity) {
    return Math.ceil((similarity - this.edges[0]) / this.edges[1] - 1e-6);
  }

  edge(bin) {
    return Number((this.edges[0] + bin * this.edges[1]).toFixed(3));
  }

  logarithmic(on) {
    this.log = on;
    this.draw();
  }

  draw() {
    const width = this.plot.clientWidth;
    if (!this.counts.length || !width) return;
    this.drawing.setAttribute("width", width);
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${TALL + FOOT}`);
    const bins = this.high - this.low;
    const together = Math.max(1, Math.ceil((4 * bins) / width)); // bins that share four pixels of width
    const high = (pairs) => (this.log ? Math.log10(1 + pairs) : pairs);
    const heights = [];
    for (let bin = this.low; bin < this.high; bin += together) {
      let pairs = 0;
      for (let each = bin; each < Math.min(this.high, bin + together); each++) pairs += this.counts[each];
      heights.push(high(pairs));
    }
    const most = Math.max(...heights, 1e-9);
    let path = `M0 ${TALL}`;
    heights.forEach((height, number) => {
      const left = this.#x(this.low + number * together);
      const right = this.#x(Math.min(this.high, this.low + (number + 1) * together));
      // A bin with a single pair is still seen.
      const top = height > 0 ? Math.min(TALL - 1.5, TALL - (height / most) * (TALL - 4)) : TALL;
      path += `L${left.toFixed(1)} ${top.toFixed(1)}L${right.toFixed(1)} ${top.toFixed(1)}`;
    });
    path += `L${width} ${TALL}Z`;
    this.shape.setAttribute("d", path);
    this.cut.setAttribute("d", path);
    this.#drawAxis(width);
    this.#put();
  }

  #drawAxis(width) {
    const room = Math.max(2, Math.floor(width / 70));
    const span = (this.high - this.low) * this.edges[1];
    const step = [0.05, 0.1, 0.2, 0.5].find((each) => span / each <= room) ?? 1;
    const every = Math.round(step / this.edges[1]);
    const marks = [svg("line", { x1: 0, x2: width, y1: TALL + 0.5, y2: TALL + 0.5 })];
    for (let bin = Math.ceil(this.low / every) * every; bin <= this.high; bin += every) {
      const x = this.#x(bin);
      const anchor = x < 12 ? "start" : x > width - 12 ? "end" : "middle";
      marks.push(svg("text", { x, y: TALL + 14, "text-anchor": anchor }, this.edge(bin).toFixed(step < 0.1 ? 2 : 1)));
    }
    this.axis.replaceChildren(...marks);
  }

  #x(bin) {
    return ((bin - this.low) / (this.high - this.low)) * this.plot.clientWidth;
  }

  /** Sets the threshold, without telling anybody. */
  place(min) {
    this.min = min;
    if (this.counts.length) this.#put();
  }

  #put() {
    const at = this.min === null ? this.low : Math.max(this.low, Math.min(this.high, this.bin(this.min)));
    const x = this.#x(at);
    const width = this.plot.clientWidth;
    this.handle.style.transform = `translateX(${x}px)`;
    this.handle.classList.toggle("left", x > width - 64);
    this.above.setAttribute("x", x);
    this.above.setAttribute("width", Math.max(0, width - x));
    const value = this.min ?? this.edge(this.low);
    byId("handle-tag").textContent = this.min === null ? "all" : near(value);
    this.handle.setAttribute("aria-valuemin", this.edge(this.low));
    this.handle.setAttribute("aria-valuemax", this.edge(this.high));
    this.handle.setAttribute("aria-valuenow", value);
    const says = `${count(this.atLeast(this.min))} of ${count(this.total)} pairs`;
    this.handle.setAttribute("aria-valuetext", this.min === null ? `no threshold: ${says}` : `${near(value)}: ${says}`);
  }

  #move(bin, settle) {
    const at = Math.max(this.low, Math.min(this.high, bin));
    const min = at <= this.low ? null : this.edge(at);
    if (min !== this.min) {
      this.place(min);
      this.moved(min);
    }
    if (settle) this.settled(min);
  }

  #binAt(event) {
    const box = this.plot.getBoundingClientRect();
    return this.low + Math.round(((event.clientX - box.left) / box.width) * (this.high - this.low));
  }

  #grab(event) {
    if (event.button !== 0 || !this.counts.length) return;
    event.preventDefault();
    this.handle.focus({ preventScroll: true });
    this.plot.setPointerCapture(event.pointerId);
    this.plot.classList.add("dragging");
    this.#move(this.#binAt(event), false);
    const drag = (moved) => this.#move(this.#binAt(moved), false);
    const drop = () => {
      this.plot.classList.remove("dragging");
      this.plot.removeEventListener("pointermove", drag);
      this.settled(this.min);
    };
    this.plot.addEventListener("pointermove", drag);
    this.plot.addEventListener("lostpointercapture", drop, { once: true });
  }

  #hover(event) {
    if (!this.counts.length) return;
    const bin = Math.min(this.high - 1, this.#binAt(event));
    byId("hover").textContent = `${near(this.edge(bin))} to ${near(this.edge(bin + 1))}: ${count(this.counts[bin])}`;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.counts.length) return;
    const at = this.min === null ? this.low : this.bin(this.min);
    const to = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      PageDown: at - PAGE,
      PageUp: at + PAGE,
      Home: this.low,
      End: this.high,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#move(to, true);
  }
}
