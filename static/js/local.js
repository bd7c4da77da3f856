// The time of this device beside that of the page, where the two differ. The page's stays first: it is UTC, which
// providers, colleagues and reports speak, or the zone that the person chose.

const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
const FIELDS = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const LOCAL = new Intl.DateTimeFormat("en-GB", { ...FIELDS, timeZone });
const PAGE = new Intl.DateTimeFormat("en-GB", { ...FIELDS, timeZone: document.documentElement.dataset.timeZone });
const IN_FULL = new Intl.DateTimeFormat("en-GB", {
  weekday: "long", day: "numeric", month: "long", year: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone, timeZoneName: "short",
});
// As zone_name in portal/core/formatting.py writes it.
const ZONE_NAME = /^\s(?:UTC[+-]\d+|[A-Z]{3,5}\b)/;
const HAS_CLOCK = /\d\d:\d\d/;
// Ages tick by themselves, and in these places there is no room: the title says it there.
const TITLE_ONLY = ".age, .chip, .track, .live, .banner, .vh";

function parts(format, at) {
  return Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
}

// "20:11"; or "30 Nov, 01:11" where it is another day than on the page; empty where the two are the same.
function local(at) {
  const [own, page] = [parts(LOCAL, at), parts(PAGE, at)];
  const clock = `${own.hour}:${own.minute}`;
  if (own.day !== page.day) return `${own.day}\u00a0${own.month}, ${clock}`;
  return clock === `${page.hour}:${page.minute}` ? "" : clock;
}

// "18:12:22 UTC" is one piece, although only its clock is a <time>.
function behind(element) {
  const next = element.nextSibling;
  const zone = next?.nodeType === Node.TEXT_NODE && ZONE_NAME.exec(next.data);
  if (!zone) return element;
  next.splitText(zone[0].length);
  return next;
}

function show(root) {
  for (const element of root.querySelectorAll("time[datetime], [data-ends]")) {
    const at = new Date(element.dateTime ?? element.dataset.ends);
    const words = Number.isNaN(at.valueOf()) ? "" : local(at);
    if (!words) continue;
    element.title = IN_FULL.format(at);
    if (element.closest(TITLE_ONLY) || !HAS_CLOCK.test(element.textContent)) continue;
    if (element.nextElementSibling?.matches(".local")) continue;
    const beside = document.createElement("span");
    beside.className = "local";
    beside.innerHTML = ' <span class="vh">your time </span>';
    beside.append(`(${words})`);
    behind(element).after(beside);
  }
  const zone = document.querySelector("[data-zone]");
  if (zone && document.querySelector(".local")) zone.textContent = `; in brackets: ${timeZone.replaceAll("_", " ")}`;
}

document.addEventListener("htmx:oobAfterSwap", () => show(document));
document.addEventListener("portal:heard", () => show(document));
show(document);
