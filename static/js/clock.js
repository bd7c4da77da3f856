// Keeps moments, ages and countdowns up to date while the page is open: "Heard 2 s ago", "in 44 min". When the
// connection is lost, live values look old: "as of" instead of "ago", and outlined chips.

const NBSP = "\u00a0";
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86400;
const UNITS = { s: 1, min: MINUTE_S, h: HOUR_S, day: DAY_S, days: DAY_S };
const AGE = new RegExp(`(\\d+)${NBSP}(s|min|h|days?) ago`, "g");
const MONTHS = [
  "January", "February", "March", "April", "May", "June",
  "July", "August", "September", "October", "November", "December",
];
const ZONED = new Intl.DateTimeFormat("en-GB", {
  year: "numeric", month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  hourCycle: "h23", timeZone: document.documentElement.dataset.timeZone,
});
const OVER = ["terminated", "expired", "declined"];
const WARNINGS_S = [15 * MINUTE_S, 5 * MINUTE_S, MINUTE_S];

// The server's clock and this one may differ: ages are counted from when the part was made and received.
const received = new WeakMap();
let staleSince = null;

function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 2 * MINUTE_S) return `${whole}${NBSP}s`;
  if (whole < 2 * HOUR_S) return `${Math.floor(whole / MINUTE_S)}${NBSP}min`;
  if (whole < 2 * DAY_S) return `${Math.floor(whole / HOUR_S)}${NBSP}h`;
  return `${Math.floor(whole / DAY_S)}${NBSP}days`;
}

// Same as `moment` in portal/core/formatting.py: the time of day, with the day unless it is today.
function moment(at, now) {
  const [then, today] = [inZone(at), inZone(now)];
  const days = (today.day - then.day) / (DAY_S * 1000);
  if (days === 0) return then.clock;
  if (days === 1) return `${then.clock} yesterday`;
  if (days === -1) return `${then.clock} tomorrow`;
  const year = then.year === today.year ? "" : `${NBSP}${then.year}`;
  return days < 0 && year ? `${then.date}${year}` : `${then.date}${year}, ${then.clock}`;
}

function fullDate(at) {
  const { date, year } = inZone(at);
  return `${date}${NBSP}${year}`;
}

// The calendar in the time zone of the page. `day`: midnight of that date as if it were in UTC, to count days.
function inZone(at) {
  const { year, month, day, hour, minute, second } = Object.fromEntries(
    ZONED.formatToParts(at).map(({ type, value }) => [type, value]),
  );
  const date = `${Number(day)}${NBSP}${MONTHS[month - 1]}`;
  return { year, date, day: Date.UTC(year, month - 1, day), clock: `${hour}:${minute}:${second}` };
}

function writeMoments(now) {
  for (const time of document.querySelectorAll('time[data-form="moment"]')) put(time, moment(Date.parse(time.dateTime), now));
}

function serverNow(part) {
  const got = received.get(part);
  return got ? got.server + (performance.now() - got.at) : Date.now();
}

function take(part) {
  received.set(part, { server: Date.parse(part.dataset.now), at: performance.now() });
  wrapAges(part);
}

// Sentences come as plain text; the ages in them are wrapped so that they can be counted on.
function wrapAges(part) {
  const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    AGE.lastIndex = 0;
    if (!node.parentElement.closest(".age,.time,.vh,title") && AGE.test(node.data)) found.push(node);
  }
  for (const node of found) {
    const pieces = document.createDocumentFragment();
    let end = 0;
    for (const match of node.data.matchAll(AGE)) {
      pieces.append(node.data.slice(end, match.index));
      const age = document.createElement("span");
      age.className = "age";
      age.dataset.at = received.get(part).server - Number(match[1]) * UNITS[match[2]] * 1000;
      age.textContent = match[0];
      pieces.append(age);
      end = match.index + match[0].length;
    }
    pieces.append(node.data.slice(end));
    node.replaceWith(pieces);
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The newest part has the server's time if there is one: this machine's clock may be wrong.
function pageNow() {
  const parts = [...document.querySelectorAll("[data-part][data-now]")].filter((part) => received.has(part));
  return parts.length ? Math.max(...parts.map(serverNow)) : Date.now();
}

function tick() {
  writeMoments(pageNow());
  for (const part of document.querySelectorAll("[data-part][data-now]")) {
    if (received.get(part)?.server !== Date.parse(part.dataset.now)) take(part);
    const now = serverNow(part);
    for (const age of part.querySelectorAll(".age")) {
      const at = age.dataset.at ? Number(age.dataset.at) : Date.parse(age.dateTime);
      const lead = age.dataset.lead ? `${age.dataset.lead} ` : "";
      if (staleSince) put(age, lead ? `As of ${moment(at, now)}` : `at ${moment(at, now)}`);
      else put(age, `${lead}${duration((now - at) / 1000)} ago`);
    }
    for (const end of part.querySelectorAll("[data-ends]")) countDown(end, now);
    for (const chip of part.querySelectorAll(".chip")) ageChip(chip, now);
  }
}

// Outline what may have changed meanwhile, with its time.
function ageChip(chip, now) {
  const said = chip.querySelector(".asof--lost");
  if (!staleSince) {
    if (said) chip.classList.remove("chip--old");
    said?.remove();
    return;
  }
  if (said) {
    put(said.querySelector("time"), moment(staleSince, now));
  } else if (!chip.classList.contains("chip--old") && !OVER.includes(chip.dataset.status)) {
    chip.classList.add("chip--old");
    chip.insertAdjacentHTML("beforeend", ' <span class="asof asof--lost">as of <time></time></span>');
    ageChip(chip, now);
  }
}

function countDown(element, now) {
  const left = (Date.parse(element.dataset.ends) - now) / 1000;
  const [when] = element.textContent.split(", in ");
  // A person may have extended it meanwhile, so a countdown without a connection stops.
  put(element, left > 0 && !staleSince ? `${when}, in ${duration(left)}` : when);
  if (staleSince) return;
  const bar = element.parentElement.querySelector("progress");
  if (bar && left > 0) bar.value = Math.round(left / MINUTE_S);
  const before = Number(element.dataset.left ?? Infinity);
  element.dataset.left = left;
  const due = WARNINGS_S.find((at) => before > at && left <= at);
  if (due && before !== Infinity) {
    document.dispatchEvent(new CustomEvent("portal:say", { detail: { text: `Ends in ${duration(due)}.` } }));
  }
}

// Reports came: the elements in these places were heard of at `at` (ms since 1970, the server's clock).
document.addEventListener("portal:heard", ({ detail }) => {
  for (const { places, at } of detail) {
    for (const age of places.flatMap((place) => [...place.querySelectorAll(".age[data-lead]")])) {
      if (at <= Date.parse(age.dateTime)) continue;
      age.dateTime = new Date(at).toISOString();
      const { clock } = inZone(at);
      age.title = `${fullDate(at)}, ${clock} ${document.getElementById("live").dataset.zoneName}`;
      // For screen readers; it was a moment ago, so without the day.
      put(age.nextElementSibling, `${age.dataset.lead} at ${clock}`);
    }
  }
});

document.addEventListener("portal:stale", (event) => {
  staleSince = event.detail.isStale ? event.detail.at : null;
  document.body.classList.toggle("is-stale", event.detail.isStale);
  tick();
});
document.addEventListener("portal:times", () => writeMoments(pageNow()));
document.addEventListener("htmx:oobAfterSwap", tick);

tick();
setInterval(tick, 1000);
