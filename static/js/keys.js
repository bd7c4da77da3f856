// Single keys for people who know them. They can be switched off, are ignored in fields, and never change filtering.

const STORED = "portal.keys";
const CHORD_MS = 1500;
const dialog = document.getElementById("keys");
const opener = document.querySelector("[data-keys]");
const isOn = document.getElementById("keys-on");

let chordUntil = 0;

function wanted() {
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    return true;
  }
}

isOn.checked = wanted();
isOn.addEventListener("change", () => {
  try {
    localStorage.setItem(STORED, isOn.checked ? "on" : "off");
  } catch {
    // Storage is refused: the choice holds for this page only.
    opener.dataset.keysOff = isOn.checked ? "" : "1";
  }
});
opener.hidden = false;
opener.addEventListener("click", () => dialog.showModal());

function go(selector) {
  const link = document.querySelector(selector);
  if (link) link.click();
}

function move(step) {
  const items = [...document.querySelectorAll("[data-item]")];
  if (!items.length) return;
  const here = items.findIndex((item) => item.contains(document.activeElement));
  const next = items[Math.min(Math.max(here + step, 0), items.length - 1)];
  const target = next.matches("a,[tabindex]") ? next : next.querySelector("a,button,summary");
  target?.focus();
}

function ask(id) {
  const details = document.getElementById(id);
  if (details) details.open = true;
  return details;
}

const CHORDS = { n: () => go(".o1 a"), q: () => go(".o2 a"), s: () => go(".os a"), d: () => go(".o3 a") };
const KEYS = {
  "?": () => dialog.showModal(),
  r: () => go(".ask a"),
  j: () => move(1),
  k: () => move(-1),
  e: () => ask("extend")?.querySelector("form button")?.focus(),
  // The focus lands on the way back (forms.js), never on the act.
  t: () => ask("terminate") ?? go("article:focus-within a[href$=terminate]"),
  "/": () => document.querySelector("input[type=search]")?.focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const question = document.querySelector("details.confirm[open], details.menu[open]");
    if (question && !dialog.open) {
      question.open = false;
      question.querySelector("summary").focus();
    }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || !isOn.checked) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  // The time of the press: a busy page may handle it much later.
  const isChord = event.timeStamp < chordUntil;
  chordUntil = 0;
  const act = isChord ? CHORDS[event.key] : KEYS[event.key];
  if (!isChord && event.key === "g") {
    chordUntil = event.timeStamp + CHORD_MS;
    return;
  }
  if (!act) return;
  event.preventDefault();
  act();
});
