// Keeps this page current by following the organization's events, and shows when it cannot.
// A full link drops packets without closing anything, so the server sends a heartbeat when nothing happens.

const SILENCE_MS = 12000;
const QUIET_LOSS_MS = 5000;
const LOUD_LOSS_MS = 30000;
const BACK_MS = 6000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15000;
const LOOK_EVERY_MS = 1000;
const ASK_WHY_EVERY = 3;
const NEEDS_SIGN_IN = [4401, 4403];

const ENDED = "You were signed out, or may not see this any more.";
const LOST_TITLE = "Not live – ";

const live = document.getElementById("live");
const banner = document.getElementById("banner");
// The other pages do not update; they keep showing when they were loaded.
const follows = document.getElementById("refresh") !== null && "htmx" in window;
const asServed = live.innerHTML;

let seq = Number(live.dataset.seq);
let socket = null;
let isUp = false;
let isOver = false;
let failures = 0;
let retryMs = FIRST_RETRY_MS;
let retryTimer = null;
let retryAt = 0;

// The server's clock at its last frame, and at the last frame that the parts of the page reflect.
let heardAt = Date.parse(live.querySelector("time").dateTime);
let shownAt = heardAt;

// The time of the last frame, or of the start of an attempt to connect, by both clocks of this machine.
let sign = both();

// The newest change that the parts of the page do not reflect yet, and since when the page has waited for it.
let unshown = null;

let lost = null;
let hasOldParts = false;
let missed = 0;
let missedBeforeAsking = 0;

function both() {
  return { steady: performance.now(), wall: Date.now() };
}

// The monotonic clock may stop while a laptop sleeps, and the wall clock may be set back: use the longer time.
function since(moment) {
  return Math.max(performance.now() - moment.steady, Date.now() - moment.wall);
}

function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}

// ---- the indicator and the banner ------------------------------------------------------------------

function icon(name) {
  const shapes = {
    dot: '<circle cx="10" cy="10" r="7" fill="currentColor"/>',
    ring: '<circle cx="10" cy="10" r="7.5" fill="none" stroke="currentColor" stroke-width="1.75" stroke-dasharray="2.2 3.4"/>',
  };
  return `<svg class="i" viewBox="0 0 20 20" aria-hidden="true" focusable="false">${shapes[name]}</svg>`;
}

// clock.js writes the text of a moment.
function time(at) {
  return `<time data-form="moment" datetime="${new Date(at).toISOString()}"></time>`;
}

function indicate(word, isLive) {
  live.classList.toggle("live--off", !isLive);
  live.innerHTML = `${icon(isLive ? "dot" : "ring")}<span class="word">${word}</span> ${time(heardAt)}<span class="zone"></span>`;
  live.querySelector(".zone").textContent = ` ${live.dataset.zoneName}`;
  tell("portal:times");
}

function indicateLive() {
  if (follows) {
    indicate("Live", true);
  } else if (live.innerHTML !== asServed) {
    live.classList.remove("live--off");
    live.innerHTML = asServed;
  }
}

function showLost() {
  if (!lost.isShown) {
    lost.isShown = true;
    indicate("Reconnecting", false);
    banner.className = "banner";
    banner.innerHTML = `${icon("ring")}<span></span><button class="btn btn--s btn--plain" type="button" data-try>Try now</button>`;
    banner.hidden = false;
    tell("portal:stale", { isStale: true, at: lostAt() });
  }
  const left = Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
  const what = isUp ? "Not updated since" : "No connection since";
  const when = left > 0 ? `Trying again in ${left}\u00a0s.` : "Trying now.";
  banner.querySelector("span").innerHTML = `${what} ${time(lostAt())}. The page shows the state at that time. ${when}`;
  tell("portal:times");
  if (!document.title.startsWith(LOST_TITLE)) document.title = LOST_TITLE + document.title;
}

function lostAt() {
  return isUp ? shownAt : lost.at;
}

function showBack() {
  tell("portal:stale", { isStale: false });
  if (document.title.startsWith(LOST_TITLE)) document.title = document.title.slice(LOST_TITLE.length);
  const words = missed === 1 ? "1 update was missed and is shown now." : `${missed} updates were missed and are shown now.`;
  const text = missed ? `Back. ${words}` : "Back. Nothing was missed.";
  banner.className = "banner banner--info";
  banner.textContent = text;
  tell("portal:say", { text });
  setTimeout(() => {
    if (!lost?.isShown && !isOver) banner.hidden = true;
  }, BACK_MS);
}

function sayLost() {
  lost.isSaid = true;
  const text = banner.querySelector("span").textContent.replace(/ Trying.*/, "");
  tell("portal:say", { text, isUrgent: true });
}

function showOver(text) {
  isOver = true;
  lost = null;
  clearTimeout(retryTimer);
  drop();
  tell("portal:stale", { isStale: true, at: heardAt });
  indicate("Not live", false);
  tell("portal:say", { text, isUrgent: true });
  tell("portal:over");
}

// ---- lost and back ---------------------------------------------------------------------------------

function lose(from = sign) {
  if (lost) return;
  lost = { at: heardAt, from, isShown: false, isSaid: false };
  missed = 0;
}

// Once a second, and when a sleeping page wakes: check which deadlines passed.
function look() {
  if (isOver) return;
  if (socket && since(sign) >= SILENCE_MS) fail();
  if (isUp && !lost && unshown && !document.hidden && since(unshown.from) >= SILENCE_MS) {
    lose(unshown.from);
    askForParts();
  }
  if (!lost) return;
  // Do not show a shorter loss: a flicker helps no one.
  if (since(lost.from) >= QUIET_LOSS_MS) showLost();
  if (since(lost.from) >= LOUD_LOSS_MS && !lost.isSaid) sayLost();
}

function fail() {
  if (isOver) return;
  drop();
  lose();
  tryLater();
}

function tryLater() {
  clearTimeout(retryTimer);
  const wait = retryMs * (0.75 + Math.random() / 2);
  retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
  retryAt = performance.now() + wait;
  retryTimer = setTimeout(tryAgain, wait);
}

function tryAgain() {
  clearTimeout(retryTimer);
  if (isUp) askForParts();
  else connect();
}

function tryNow() {
  if (isOver || !lost) return;
  retryMs = FIRST_RETRY_MS;
  tryAgain();
}

function askForParts() {
  hasOldParts = follows;
  missedBeforeAsking = missed;
  if (follows) tell("portal:refresh", { kind: "portal:state" });
  else settle();
}

// The connection is back when the server has sent a frame and the page shows the state after it.
function settle() {
  if (!lost || !isUp || hasOldParts) return;
  const wasShown = lost.isShown;
  lost = null;
  retryMs = FIRST_RETRY_MS;
  indicateLive();
  if (wasShown) showBack();
  if (missed > missedBeforeAsking) tell("portal:refresh", { kind: "portal:state" });
}

document.addEventListener("portal:refreshed", ({ detail }) => {
  if (isOver) return;
  if (detail.isRefused) {
    showOver(ENDED);
  } else if (detail.isFresh && detail.isState) {
    shownAt = heardAt;
    unshown = unshown?.seq > reflectedSeq() ? { ...unshown, from: both() } : null;
    hasOldParts = false;
    settle();
  } else if (!detail.isFresh) {
    lose();
    if (isUp) tryLater();
  }
});

// ---- the socket ------------------------------------------------------------------------------------

function connect() {
  drop();
  sign = both();
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const one = new WebSocket(`${scheme}://${location.host}${live.dataset.socket}?after=${seq}&numbers=brief`);
  socket = one;
  one.addEventListener("open", () => one === socket && opened());
  one.addEventListener("message", (event) => one === socket && received(JSON.parse(event.data)));
  one.addEventListener("close", (event) => one === socket && closed(event.code));
}

// A silent socket may take minutes to close: ignore what it still receives.
function drop() {
  const one = socket;
  socket = null;
  isUp = false;
  one?.close();
}

function opened() {
  isUp = true;
  sign = both();
  failures = 0;
  retryMs = FIRST_RETRY_MS;
  if (lost) askForParts();
  else indicateLive();
}

function closed(code) {
  if (isOver) return;
  if (NEEDS_SIGN_IN.includes(code)) {
    showOver(ENDED);
    return;
  }
  fail();
  failures += 1;
  if (failures % ASK_WHY_EVERY === 0) askWhy();
}

// A socket that is refused tells a browser no reason; the page itself does.
async function askWhy() {
  try {
    const signal = AbortSignal.timeout(SILENCE_MS);
    const answer = await fetch(location.pathname, { method: "HEAD", redirect: "manual", signal });
    if (answer.type === "opaqueredirect" || answer.status === 403 || answer.status === 404) showOver(ENDED);
  } catch {
    // No connection at all: that is what the banner says already.
    failures = 0;
  }
}

function received(frame) {
  sign = both();
  heardAt = Math.max(heardAt, Date.parse(frame.at));
  if (!lost) indicateLive();
  if (frame.type === "heartbeat") {
    // The numbers went back: the installation was restored from a backup.
    if (frame.seq < seq) tell("portal:refresh", { kind: "portal:state" });
    seq = Math.min(seq, frame.seq);
    return;
  }
  if (frame.seq <= seq) return;
  seq = frame.seq;
  const isAmounts = frame.type === "amounts";
  if (lost) missed += isAmounts ? Object.keys(frame.data).length : 1;
  else if (isAmounts) {
    if (follows) tell("portal:amounts", frame);
  } else if (concernsThisPage(frame)) {
    if (follows && seq > reflectedSeq()) unshown = { from: both(), ...unshown, seq };
    tell("portal:refresh", { kind: "portal:state", seq });
  }
}

// The number of the last event that the parts of the page reflect.
function reflectedSeq() {
  return Number(document.getElementById("heard")?.dataset.seq ?? live.dataset.seq);
}

function concernsThisPage(event) {
  const shown = document.querySelector("#request[data-request]");
  // Sessions concern every page; another request's life does not concern this one's.
  return !shown || event.request === null || event.request === shown.dataset.request;
}

// ---- start -------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-try]")) tryNow();
});
addEventListener("offline", fail);
addEventListener("online", tryNow);
// Timers are slow on a background page and stop on a frozen one.
document.addEventListener("visibilitychange", () => {
  // A hidden page requests nothing, so its wait starts when it is seen.
  if (unshown) unshown.from = both();
  look();
});
document.addEventListener("resume", look);
// A page that is left must not complain about its own closing socket.
addEventListener("pagehide", () => {
  isOver = true;
  drop();
});
addEventListener("pageshow", (event) => event.persisted && location.reload());

connect();
setInterval(look, LOOK_EVERY_MS);
