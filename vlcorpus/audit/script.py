"""What the labelling page does: shows one pair, takes a key, goes on, and keeps the labels in the browser.

Words from strangers are only ever set as text (`textContent`), pictures only as the data URIs that the page came with.
"""

from __future__ import annotations

SCRIPT = r"""
"use strict";
(() => {
  const audit = JSON.parse(document.getElementById("pairs").textContent);
  const pairs = audit.pairs, known = new Map(pairs.map((pair, place) => [pair.uid, place]));
  const NAMES = ["good", "bad", "unsure"];
  const SAID = {1: "good", g: "good", good: "good", 2: "bad", b: "bad", bad: "bad",
                3: "unsure", u: "unsure", unsure: "unsure"};
  const find = (name) => document.getElementById(name);
  let labels = new Map(), at = 0, past = [], kept = true, who = "";

  const plain = (name) => name.trim().replace(/[^\p{L}\p{N}_-]+/gu, "-").slice(0, 40);
  const annotator = "vlcorpus-audit:" + audit.id + "/annotator";
  const place = (name) => "vlcorpus-audit:" + audit.id + ":" + name;

  function load(name) {
    who = plain(name);
    labels = new Map();
    past = [];
    at = 0;
    try {
      const stored = JSON.parse(localStorage.getItem(place(who)) || "{}");
      for (const [uid, label] of Object.entries(stored.labels || {}))
        if (known.has(uid) && NAMES.includes(label)) labels.set(uid, label);
      if (Number.isInteger(stored.at) && stored.at >= 0 && stored.at < pairs.length) at = stored.at;
    } catch (error) { kept = false; }
  }

  function save() {
    try {
      localStorage.setItem(place(who), JSON.stringify({labels: Object.fromEntries(labels), at}));
      localStorage.setItem(annotator, who);
      kept = true;
    } catch (error) { kept = false; }
  }

  function say(words, wrong) {
    find("said").textContent = words || (kept ? "" : "This browser keeps nothing: export before you close the page.");
    find("said").className = wrong || (!words && !kept) ? "wrong" : "";
  }

  function show() {
    const pair = pairs[at], label = labels.get(pair.uid);
    const picture = find("picture");
    picture.hidden = !pair.picture;
    find("blank").hidden = Boolean(pair.picture);
    if (pair.picture) picture.src = pair.picture; else picture.removeAttribute("src");
    const words = find("words");
    words.textContent = pair.words || "no words";
    words.className = pair.words ? (pair.words.length > 240 ? "long" : "") : "none";
    words.lang = /^[a-z]{2,3}(-[a-z0-9]{2,8})*$/i.test(pair.language || "") ? pair.language : "";
    words.scrollTop = 0;
    find("language").hidden = !pair.language;
    find("language").textContent = pair.language || "";
    find("number").textContent = "Pair " + (at + 1) + " of " + pairs.length;
    find("label").hidden = !label;
    find("label").textContent = label || "";
    find("label").className = "tag " + (label || "");
    for (const name of NAMES) find(name).setAttribute("aria-pressed", String(label === name));
    const whole = labels.size === pairs.length;
    find("labelled").textContent = labels.size;
    find("progress").value = labels.size;
    find("back").disabled = at === 0;
    find("forward").disabled = at === pairs.length - 1;
    find("undo").disabled = past.length === 0;
    find("export").disabled = labels.size === 0;
    document.body.classList.toggle("done", whole);
    const next = pairs[at + 1];
    if (next && next.picture) new Image().src = next.picture;
  }

  function change(labelled) {
    const before = labelled.map(([uid]) => [uid, labels.get(uid)]);
    past.push({at, before});
    for (const [uid, label] of labelled) labels.set(uid, label);
  }

  function give(name) {
    change([[pairs[at].uid, name]]);
    const number = at + 1;
    if (labels.size === pairs.length) {
      say("All " + pairs.length + " pairs are labelled: export them now.");
      if (at < pairs.length - 1) at += 1;
    } else {
      if (at < pairs.length - 1) at += 1; else at = pairs.findIndex((pair) => !labels.has(pair.uid));
      say("Pair " + number + ": " + name);
    }
    save();
    show();
  }

  function move(step) {
    at = Math.min(pairs.length - 1, Math.max(0, at + step));
    save();
    show();
  }

  function skip() {
    const order = pairs.map((_, step) => (at + 1 + step) % pairs.length);
    const next = order.find((number) => !labels.has(pairs[number].uid));
    if (next === undefined) { say("Every pair has a label."); return; }
    at = next;
    save();
    show();
  }

  function undo() {
    const last = past.pop();
    if (!last) { say("Nothing to undo."); return; }
    for (const [uid, label] of last.before) if (label) labels.set(uid, label); else labels.delete(uid);
    at = last.at;
    say(last.before.length === 1 ? "Undone: pair " + (at + 1) : "Undone: the import");
    save();
    show();
  }

  function written() {
    const rows = pairs.filter((pair) => labels.has(pair.uid)).map((pair) => pair.uid + "," + labels.get(pair.uid));
    return ["uid,label", ...rows].join("\n") + "\n";
  }

  function send() {
    if (!labels.size) { say("There is nothing to export yet."); return; }
    const link = document.createElement("a");
    const address = URL.createObjectURL(new Blob([written()], {type: "text/csv"}));
    link.href = address;
    link.download = "labels-" + audit.id.slice(0, 8) + (who ? "-" + who : "") + ".csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    say("Exported " + labels.size + " labels as " + link.download);
  }

  function take(text) {
    const lines = text.replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => line.trim());
    const head = (lines.shift() || "").toLowerCase().split(/[,;\t]/).map((cell) => cell.trim());
    if (head.length !== 2 || head[0] !== "uid" || head[1] !== "label") throw Error("no file that this page exported");
    return lines.map((line, row) => {
      const [uid, said] = line.toLowerCase().split(/[,;\t]/).map((cell) => cell.trim());
      if (!known.has(uid)) throw Error("line " + (row + 2) + " is of another audit");
      if (!Object.hasOwn(SAID, said)) throw Error("line " + (row + 2) + " has no label");
      return [uid, SAID[said]];
    });
  }

  async function bring(file) {
    try {
      const brought = take(await file.text());
      change(brought);
      const next = pairs.findIndex((pair) => !labels.has(pair.uid));
      at = next < 0 ? at : next;
      say("Imported " + brought.length + " labels");
      save();
      show();
    } catch (error) { say("Not imported: " + error.message, true); }
  }

  for (const name of NAMES) find(name).addEventListener("click", () => give(name));
  find("back").addEventListener("click", () => move(-1));
  find("forward").addEventListener("click", () => move(1));
  find("undo").addEventListener("click", undo);
  find("export").addEventListener("click", send);
  find("import").addEventListener("click", () => find("file").click());
  find("file").addEventListener("change", (event) => {
    if (event.target.files.length) bring(event.target.files[0]);
    event.target.value = "";
  });
  find("who").addEventListener("change", (event) => {
    load(event.target.value);
    event.target.value = who;
    save();
    say(who ? "Labels of " + who : "");
    show();
  });
  find("who").addEventListener("keydown", (event) => { if (event.key === "Enter") event.target.blur(); });

  document.addEventListener("keydown", (event) => {
    const undoing = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "z";
    if (event.target === find("who") || event.repeat && event.key.length === 1) return;
    if (!undoing && (event.ctrlKey || event.metaKey || event.altKey)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = undoing ? undo : key.length === 1 && Object.hasOwn(SAID, key) ? () => give(SAID[key])
      : {ArrowRight: () => move(1), ArrowLeft: () => move(-1), Backspace: undo, z: undo, n: skip, e: send}[key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  addEventListener("beforeunload", (event) => { if (!kept && labels.size) event.preventDefault(); });

  let last = "";
  try { last = localStorage.getItem(annotator) || ""; } catch (error) { kept = false; }
  load(last);
  find("who").value = who;
  find("progress").max = pairs.length;
  if (kept) save();
  say(labels.size ? "Welcome back: " + labels.size + " labels were kept in this browser." : "");
  show();
})();
"""
