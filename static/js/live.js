// Keeps the page true: follows the organization's events and asks the server for the parts that changed.

const QUIET_LOSS_MS = 5000;
const LOUD_LOSS_MS = 30000;
const CAUGHT_UP_MS = 6000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15000;
const COUNTERS_EVERY_MS = 1000;
const BURST_MS = 250;
const TINT_MS = 1200;
const SILENT_MS = 45000;
const ASK_WHY_EVERY = 3;
const NEEDS_SIGN_IN = [4401, 4403];

const ENDED = "You were signed out, or may not see this any more. What you see is from before.";

const live = document.getElementById("live");
const banner = document.getElementById("banner");
const isWatching = document.getElementById("refresh") !== null;

let seq = Number(live.dataset.seq);
let socket = null;
let retryMs = FIRST_RETRY_MS;
let retryTimer = null;
let retryAt = 0;
let lostAt = null;
let isShownLost = false;
let missed = 0;
let isCatchingUp = false;
let isOver = false;
let failures = 0;
let lastEventAt = Date.parse(live.querySelector("time").dateTime);

function time(at) {
  return new Date(at).toISOString().slice(11, 19);
}

// ---- the indicator and the banner ------------------------------------------------------------------

function icon(name) {
  const shapes = {
    dot: '<circle cx="10" cy="10" r="7" fill="currentColor"/>',
    ring: '<circle cx="10" cy="10" r="7.5" fill="none" stroke="currentColor" stroke-width="1.75" stroke-dasharray="2.2 3.4"/>',
  };
  return `<svg class="i" viewBox="0 0 20 20" aria-hidden="true" focusable="false">${shapes[name]}</svg>`;
}

function indicate(word, isLive) {
  live.classList.toggle("live--off", !isLive);
  live.innerHTML = `${icon(isLive ? "dot" : "ring")}<span class="word"></span> <time></time>`;
  live.querySelector(".word").textContent = word;
  live.querySelector("time").textContent = `${time(lastEventAt)} UTC`;
}

function showLost() {
  isShownLost = true;
  indicate("Reconnecting", false);
  banner.className = "banner";
  banner.innerHTML = `${icon("ring")}<span></span><button class="btn btn--s btn--plain" type="button" data-try>Try now</button>`;
  banner.hidden = false;
  document.dispatchEvent(new CustomEvent("portal:stale", { detail: { isStale: true } }));
  countDown();
}

function countDown() {
  if (!isShownLost || isOver) return;
  const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const when = left > 0 ? `Trying again in ${left}\u00a0s.` : "Trying now.";
  banner.querySelector("span").textContent =
    `No connection since ${time(lostAt)}. What you see is from then. ${when}`;
  setTimeout(countDown, 1000);
}

function showBack() {
  isShownLost = false;
  document.dispatchEvent(new CustomEvent("portal:stale", { detail: { isStale: false } }));
  const words = missed === 1 ? "1 update was missed and is shown now." : `${missed} updates were missed and are shown now.`;
  const text = missed ? `Back. ${words}` : "Back. Nothing was missed.";
  banner.className = "banner banner--info";
  banner.textContent = text;
  document.dispatchEvent(new CustomEvent("portal:say", { detail: { text } }));
  setTimeout(() => {
    if (!isShownLost) banner.hidden = true;
  }, CAUGHT_UP_MS);
}

function showOver(text) {
  isOver = true;
  isShownLost = false;
  clearTimeout(retryTimer);
  indicate("Not live", false);
  banner.className = "banner";
  banner.innerHTML = `<span></span> <a href="">Reload</a>`;
  banner.querySelector("span").textContent = text;
  banner.querySelector("a").href = location.href;
  banner.hidden = false;
  document.dispatchEvent(new CustomEvent("portal:say", { detail: { text, isUrgent: true } }));
}

// ---- the socket ------------------------------------------------------------------------------------

function connect() {
  clearTimeout(retryTimer);
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}${live.dataset.socket}?after=${seq}`);
  socket.addEventListener("open", opened);
  socket.addEventListener("message", (event) => received(event.data));
  socket.addEventListener("close", (event) => closed(event.code));
}

function opened() {
  failures = 0;
  retryMs = FIRST_RETRY_MS;
  if (lostAt === null) {
    indicate("Live", true);
    return;
  }
  missed = 0;
  isCatchingUp = true;
  // What was missed comes first and at once; after a short silence it has all arrived.
  setTimeout(caughtUp, 400);
}

function caughtUp() {
  isCatchingUp = false;
  lostAt = null;
  indicate("Live", true);
  if (isShownLost) showBack();
  if (missed) refresh("portal:state");
}

function closed(code) {
  if (isOver) return;
  if (NEEDS_SIGN_IN.includes(code)) {
    showOver(ENDED);
    return;
  }
  failures += 1;
  if (failures % ASK_WHY_EVERY === 0) askWhy();
  if (lostAt === null) {
    lostAt = Date.now();
    setTimeout(() => lostAt !== null && !isShownLost && showLost(), QUIET_LOSS_MS);
    setTimeout(sayLost, LOUD_LOSS_MS);
  }
  const wait = retryMs * (0.75 + Math.random() / 2);
  retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
  retryAt = Date.now() + wait;
  retryTimer = setTimeout(connect, wait);
}

// A socket that is refused tells a browser no reason; the page itself does.
async function askWhy() {
  try {
    const answer = await fetch(location.pathname, { method: "HEAD", redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.status === 403 || answer.status === 404) showOver(ENDED);
  } catch {
    // No connection at all: that is what the banner says already.
    failures = 0;
  }
}

function sayLost() {
  if (lostAt === null || Date.now() - lostAt < LOUD_LOSS_MS) return;
  const text = `No connection since ${time(lostAt)}. What you see is from then.`;
  document.dispatchEvent(new CustomEvent("portal:say", { detail: { text, isUrgent: true } }));
}

function received(data) {
  const event = JSON.parse(data);
  if (typeof event.seq !== "number" || event.seq <= seq) return;
  seq = event.seq;
  lastEventAt = Date.parse(event.at);
  if (isCatchingUp) {
    missed += 1;
    return;
  }
  indicate("Live", true);
  if (!concernsThisPage(event)) return;
  refresh(event.type === "mitigation.counters" ? "portal:counters" : "portal:state");
}

function concernsThisPage(event) {
  const shown = document.querySelector("#request[data-request]");
  // Sessions concern every page; another request's life does not concern this one's.
  return !shown || event.request === null || event.request === shown.dataset.request;
}

// ---- refreshing parts --------------------------------------------------------------------------------

let lastRefreshAt = 0;
let waiting = null;
let waitingFor = null;
let isInFlight = false;
let isWantedAgain = null;

function refresh(kind) {
  if (!isWatching || !window.htmx) return;
  if (document.hidden || document.body.dataset.sending) {
    isWantedAgain = "portal:state";
    return;
  }
  if (isInFlight) {
    isWantedAgain = kind === "portal:state" ? kind : (isWantedAgain ?? kind);
    return;
  }
  const wait = lastRefreshAt + (kind === "portal:state" ? BURST_MS : COUNTERS_EVERY_MS) - Date.now();
  if (wait > 0) {
    if (kind === "portal:state") clearTimeout(waiting);
    if (kind === "portal:state" || waiting === null) {
      waiting = setTimeout(() => refresh(kind), wait);
      waitingFor = kind;
    }
    return;
  }
  // Counters that arrive before a late timer must not take the place of the state it waited for.
  if (waitingFor === "portal:state") kind = waitingFor;
  clearTimeout(waiting);
  waiting = null;
  waitingFor = null;
  lastRefreshAt = Date.now();
  const own = document.getElementById("refresh-counters");
  window.htmx.trigger(kind === "portal:counters" && own ? own : document.getElementById("refresh"), kind);
}

function again() {
  if (!isWantedAgain) return;
  const kind = isWantedAgain;
  isWantedAgain = null;
  refresh(kind);
}

const isOurs = (event) => event.target.id?.startsWith("refresh");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isOurs(event)) isInFlight = true;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (!isOurs(event)) return;
  isInFlight = false;
  const url = event.detail.xhr.responseURL;
  if (url && new URL(url).pathname !== location.pathname) {
    showOver(ENDED);
    return;
  }
  setTimeout(again, 0);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) again();
});

// Rows keep their places until the page is loaded again.
document.addEventListener("htmx:configRequest", (event) => {
  if (!isOurs(event)) return;
  const cards = document.querySelectorAll("article[data-request]");
  if (cards.length) event.detail.parameters.order = [...cards].map((card) => card.dataset.request).join(",");
});

// ---- what a person is doing survives a refresh --------------------------------------------------------

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
      if (!kept.keys.has(key)) tintedUntil.set(key, Date.now() + TINT_MS);
      if (tintedUntil.get(key) > Date.now()) entry.classList.add("new");
    }
  }
  if (kept.focus) find(kept.focus, part)?.focus({ preventScroll: true });
  for (const one of part.querySelectorAll("[data-with-script]")) one.hidden = false;
  kept = null;
});

// Where the focus is, in terms that hold for the new markup too.
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

// ---- start -------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-try]")) {
    retryMs = FIRST_RETRY_MS;
    if (socket.readyState >= WebSocket.CLOSING) connect();
  }
});
addEventListener("online", () => socket.readyState >= WebSocket.CLOSING && !isOver && connect());
// A page that is left must not complain about its own closing socket.
addEventListener("pagehide", () => {
  isOver = true;
  socket.close();
});
addEventListener("pageshow", (event) => event.persisted && location.reload());

connect();
// Silence is no event: what ages on the page (patience, staleness) is looked at now and then.
setInterval(() => {
  if (Date.now() - lastRefreshAt >= SILENT_MS && lostAt === null && document.querySelector("[data-request]")) {
    refresh("portal:state");
  }
}, SILENT_MS);
