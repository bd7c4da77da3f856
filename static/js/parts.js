// Loads the changed parts of the page from the server without disturbing what a person is doing in them.

const COUNTERS_EVERY_MS = 10000;
const STATE_EVERY_MS = 30000;
const BURST_MS = 250;
// It leaves a slow server as much time again before the page says that it is not updated.
const LONGEST_GAP_MS = 6000;
const TINT_MS = 1200;
const SILENT_MS = 45000;

// The number of the last event that the parts on the page reflect.
let shownSeq = Number(document.getElementById("live")?.dataset.seq ?? 0);
// The page itself was rendered a moment ago.
const lastAt = { "portal:state": performance.now(), "portal:counters": performance.now() };
let gapMs = BURST_MS;
let waiting = null;
let waitingFor = null;
let isWantedAgain = null;
const startedAt = new Map();

// `seq`: the number of the event that changed something; without it, the parts are requested in any case.
function refresh(kind, seq = Infinity) {
  const whole = document.getElementById("refresh");
  if (!whole || !window.htmx) return;
  const own = document.getElementById("refresh-counters");
  // Reports do not bring everything: when a provider that drops nothing was heard, for example.
  const isDue = performance.now() - lastAt["portal:state"] >= STATE_EVERY_MS;
  if (kind === "portal:counters" && isDue) kind = "portal:state";
  if (kind === "portal:counters" && !own) return;
  if (kind === "portal:state" && seq <= shownSeq) return;
  if (mustWait(kind, seq)) return;
  // Counters must not replace the state that a timer waits for.
  if (waitingFor === "portal:state" || waitingFor === kind) return;
  clearTimeout(waiting);
  waitingFor = kind;
  waiting = setTimeout(() => {
    waitingFor = null;
    if (!mustWait(kind, seq)) send(kind);
  }, kind === "portal:state" ? stateWait() : countersWait(own));
}

function mustWait(kind, seq) {
  if (document.hidden || document.body.dataset.sending) {
    isWantedAgain = { kind: "portal:state", seq: Infinity };
    return true;
  }
  if (!startedAt.size) return false;
  const isState = kind === "portal:state" || isWantedAgain?.kind === "portal:state";
  isWantedAgain = { kind: isState ? "portal:state" : kind, seq: Math.max(seq, isWantedAgain?.seq ?? 0) };
  return true;
}

// All pages of an organization hear of an event at once, so each waits a different moment.
function stateWait() {
  return Math.max(lastAt["portal:state"] + gapMs - performance.now(), 0) + (Math.random() * BURST_MS) / 2;
}

function countersWait(own) {
  const everyMs = own.dataset.everyS ? own.dataset.everyS * 1000 : COUNTERS_EVERY_MS;
  return lastAt["portal:counters"] + everyMs - performance.now();
}

function send(kind) {
  // The parts of the state include what counters change.
  lastAt["portal:counters"] = performance.now();
  if (kind === "portal:state") lastAt[kind] = performance.now();
  window.htmx.trigger(document.getElementById(kind === "portal:state" ? "refresh" : "refresh-counters"), kind);
}

function again() {
  if (!isWantedAgain) return;
  const { kind, seq } = isWantedAgain;
  isWantedAgain = null;
  refresh(kind, seq);
}

document.addEventListener("portal:refresh", (event) => refresh(event.detail.kind, event.detail.seq));

const isOurs = (event) => event.target.id?.startsWith("refresh");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isOurs(event)) startedAt.set(event.target.id, performance.now());
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (!isOurs(event)) return;
  const took = performance.now() - startedAt.get(event.target.id);
  startedAt.delete(event.target.id);
  const { xhr, successful } = event.detail;
  const isState = event.target.id === "refresh";
  if (successful && isState) shownSeq = Number(document.getElementById("heard").dataset.seq);
  // In a rush, and when the server is slow, a page spends a tenth of its time on this.
  gapMs = successful ? Math.min(Math.max(BURST_MS, 9 * took), LONGEST_GAP_MS) : BURST_MS;
  // The answer is another page or a refusal: signed out, or no longer a member.
  const isElsewhere = xhr.responseURL && new URL(xhr.responseURL).pathname !== location.pathname;
  const isRefused = isElsewhere || xhr.status === 403 || xhr.status === 404;
  const detail = { isFresh: successful === true, isRefused, isState };
  document.dispatchEvent(new CustomEvent("portal:refreshed", { detail }));
  if (successful) setTimeout(again, 0);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) again();
});

// Rows keep their places until the page is reloaded.
document.addEventListener("htmx:configRequest", (event) => {
  if (!isOurs(event)) return;
  const cards = document.querySelectorAll("article[data-request]");
  if (cards.length) event.detail.parameters.order = [...cards].map((card) => card.dataset.request).join(",");
});

// ---- what a person is doing survives -----------------------------------------------------------------

let kept = null;
const tintedUntil = new Map();

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const part = event.detail.target;
  if (!part?.matches?.("[data-part]")) return;
  const focus = document.activeElement;
  kept = {
    open: [...part.querySelectorAll("details[id]")].filter((one) => one.open).map((one) => one.id),
    values: [...part.querySelectorAll("input[id],textarea[id],select[id]")].map((one) => [one.id, one.value]),
    focus: part.contains(focus) ? pathTo(focus, part) : null,
    keys: new Set([...part.querySelectorAll("[data-key]")].map((one) => one.dataset.key)),
  };
});

document.addEventListener("htmx:oobAfterSwap", (event) => {
  const part = event.detail.target?.isConnected ? event.detail.target : document.getElementById(event.detail.target?.id);
  if (!kept || !part?.matches("[data-part]")) return;
  for (const id of kept.open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
  for (const [id, value] of kept.values) {
    const field = document.getElementById(id);
    if (field) field.value = value;
  }
  if (kept.keys.size) {
    for (const entry of part.querySelectorAll("[data-key]")) {
      const { key } = entry.dataset;
      if (!kept.keys.has(key)) tintedUntil.set(key, performance.now() + TINT_MS);
      if (tintedUntil.get(key) > performance.now()) entry.classList.add("new");
    }
  }
  if (kept.focus) find(kept.focus, part)?.focus({ preventScroll: true });
  for (const one of part.querySelectorAll("[data-with-script]")) one.hidden = false;
  kept = null;
});

// The position of the focus, in a form that also fits the new markup.
function pathTo(element, part) {
  if (element.id) return { id: element.id };
  const owner = element.closest("[id]") ?? part;
  const same = [...owner.querySelectorAll(element.tagName)];
  return { owner: owner.id, tag: element.tagName, index: same.indexOf(element), text: element.textContent };
}

function find(path, part) {
  if (path.id) return document.getElementById(path.id);
  const same = [...(document.getElementById(path.owner) ?? part).querySelectorAll(path.tag)];
  return same.find((one) => one.textContent === path.text) ?? same[path.index];
}

// Silence is not an event, so check from time to time what ages on the page (patience, staleness).
setInterval(() => {
  if (performance.now() - lastAt["portal:state"] >= SILENT_MS) refresh("portal:state");
}, SILENT_MS);

// No event tells that a detector repeated its report, so a chart of one that may is requested from time to time.
setInterval(() => {
  if (document.querySelector("#p-chart[data-repeated]")) refresh("portal:counters");
}, COUNTERS_EVERY_MS);
