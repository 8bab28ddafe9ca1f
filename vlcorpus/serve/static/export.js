// Taking pairs home: the selection, or all that are near enough, as a file.

import { complain, post } from "/api.js";
import { byId, el, say } from "/dom.js";
import { count, counted, near, size } from "/format.js";
import * as selection from "/selection.js";

export class Export {
  /** now(): { query, where, side, min, pairs } of the search that is shown; null without one. */
  constructor({ now, able }) {
    this.now = now;
    this.able = able;
    this.dialog = byId("export");
    byId("export-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go(new FormData(event.target));
    });
    if (!able.pictures) this.dialog.querySelector("[value=webdataset]").closest("label").hidden = true;
  }

  open() {
    const now = this.now();
    const chosen = selection.number();
    if (!now && !chosen) return;
    byId("which-selection-says").textContent = counted(chosen, "pair");
    byId("which-above-says").textContent = !now
      ? ""
      : `${now.pairs === null ? "" : counted(now.pairs, "pair")}${now.min === null ? "" : `, ${near(now.min)} and above`}${now.where ? ", that pass the filter" : ""}`;
    const [one, other] = [byId("which-selection"), byId("which-above")];
    one.disabled = chosen === 0;
    other.disabled = !now;
    (chosen ? one : other).checked = true;
    complain(byId("export-said"), null);
    this.dialog.showModal();
  }

  async #go(form) {
    const wanted = { format: form.get("format") };
    if (form.get("which") === "selection") Object.assign(wanted, selection.named());
    else {
      const now = this.now();
      Object.assign(wanted, { query: now.query, side: now.side });
      if (now.where) wanted.where = now.where;
      if (now.min !== null) wanted.min_sim = now.min;
    }
    const go = byId("export-go");
    go.disabled = true;
    try {
      const { ticket, rows, bytes_estimate } = await post("/api/export", wanted);
      el("a", { href: `/api/export/${encodeURIComponent(ticket)}`, download: true }).click();
      this.dialog.close();
      say(`Exporting ${count(rows)} pairs${bytes_estimate ? `, about ${size(bytes_estimate)}` : ""}`);
    } catch (error) {
      complain(byId("export-said"), error);
    } finally {
      go.disabled = false;
    }
  }
}
