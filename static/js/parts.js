// Loads the changed parts of the page from the server without disturbing what a person is doing in them.

const COUNTERS_EVERY_MS = 2000;
const BURST_MS = 250;
const TINT_MS = 1200;
const SILENT_MS = 45000;

let lastRefreshAt = -Infinity;
let waiting = null;
let waitingFor = null;
let isInFlight = false;
let isWantedAgain = null;

function refresh(kind) {
  const whole = document.getElementById("refresh");
  if (!whole || !window.htmx) return;
  if (document.hidden || document.body.dataset.sending) {
    isWantedAgain = "portal:state";
    return;
  }
  if (isInFlight) {
    isWantedAgain = kind === "portal:state" ? kind : (isWantedAgain ?? kind);
    return;
  }
  const wait = lastRefreshAt + (kind === "portal:state" ? BURST_MS : COUNTERS_EVERY_MS) - performance.now();
  if (wait > 0) {
    if (kind === "portal:state") clearTimeout(waiting);
    if (kind === "portal:state" || waiting === null) {
      waiting = setTimeout(() => refresh(kind), wait);
      waitingFor = kind;
    }
    return;
  }
  // Counters that arrive before a late timer must not replace the state it waits for.
  if (waitingFor === "portal:state") kind = waitingFor;
  clearTimeout(waiting);
  waiting = null;
  waitingFor = null;
  lastRefreshAt = performance.now();
  const own = document.getElementById("refresh-counters");
  window.htmx.trigger(kind === "portal:counters" && own ? own : whole, kind);
}

function again() {
  if (!isWantedAgain) return;
  const kind = isWantedAgain;
  isWantedAgain = null;
  refresh(kind);
}

document.addEventListener("portal:refresh", (event) => refresh(event.detail.kind));

const isOurs = (event) => event.target.id?.startsWith("refresh");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isOurs(event)) isInFlight = true;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (!isOurs(event)) return;
  isInFlight = false;
  const { xhr, successful } = event.detail;
  // The answer is another page or a refusal: signed out, or no longer a member.
  const isElsewhere = xhr.responseURL && new URL(xhr.responseURL).pathname !== location.pathname;
  const isRefused = isElsewhere || xhr.status === 403 || xhr.status === 404;
  const detail = { isFresh: successful === true, isRefused };
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
  if (performance.now() - lastRefreshAt >= SILENT_MS) refresh("portal:state");
}, SILENT_MS);
