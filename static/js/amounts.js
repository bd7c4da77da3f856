// Writes the amounts that providers report into the text of the page, as the socket brings them. The server renders
// everything that depends on more than an amount; this asks it when a report changes more than that.

// Same as portal/core/formatting.py.
const NBSP = "\u00a0";
const PREFIXES = [["P", 15], ["T", 12], ["G", 9], ["M", 6], ["k", 3]];
const DIGITS = 3;
const MANY_PACKETS = 10000000;
const SHOWN = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

// A whole number with at most three significant digits, rounded half up.
function significant(whole) {
  const digits = String(whole);
  if (digits.length <= DIGITS) return whole;
  const head = Number(digits.slice(0, DIGITS)) + (digits[DIGITS] >= "5" ? 1 : 0);
  return head * 10 ** (digits.length - DIGITS);
}

function scaled(whole) {
  const rounded = significant(whole);
  const [prefix, power] = PREFIXES.find(([, power]) => rounded >= 10 ** power) ?? ["", 0];
  return [SHOWN.format(rounded / 10 ** power), prefix];
}

function bitRate(octets) {
  const [number, prefix] = scaled(octets * 8);
  return [number, `${prefix}bit/s`];
}

const FORMS = {
  bit_rate: (octets) => bitRate(octets).join(NBSP),
  bit_rate_number: (octets) => bitRate(octets)[0],
  bit_rate_unit: (octets) => bitRate(octets)[1],
  packet_rate: (packets) =>
    packets >= MANY_PACKETS
      ? `${SHOWN.format(significant(packets) / 1e6)}${NBSP}million${NBSP}packets/s`
      : `${SHOWN.format(significant(packets))}${NBSP}packets/s`,
  amount: (octets) => {
    const [number, prefix] = scaled(octets);
    return number + NBSP + (prefix ? `${prefix}B` : "bytes");
  },
};
// The place of each form's value in a report.
const AT = { amount: 0, bit_rate: 1, bit_rate_number: 1, bit_rate_unit: 1, packet_rate: 2 };

// ---- the amounts in the text -------------------------------------------------------------------------

let amounts = [];

// "bit_rate:300:A=100,B=200": the rate in this element's text is the sum of what A and B report.
function read(part) {
  amounts = amounts.filter((one) => one.texts.some((text) => text.isConnected));
  for (const element of part.querySelectorAll("[data-amounts]")) {
    for (const written of element.dataset.amounts.split(" ").filter(Boolean)) {
      const [form, total, parts] = written.split(":");
      const of = new Map(parts.split(",").map((part) => part.split("=")).map(([id, value]) => [id, Number(value)]));
      const texts = cutOut(element, FORMS[form](Number(total)));
      if (texts.length) amounts.push({ form, total: Number(total), of, texts, seq: seqOf(element) });
    }
  }
}

// The number of the last event that the element reflects.
function seqOf(element) {
  return Number(element.closest("[data-seq]")?.dataset.seq ?? 0);
}

// Makes each place of `words` in the element a separate text node.
function cutOut(element, words) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const at = node.data.indexOf(words);
    if (at < 0 || /[\d.,]/.test(node.data[at - 1] ?? "")) continue;
    const text = at ? node.splitText(at) : node;
    if (text.data.length > words.length) text.splitText(words.length);
    found.push(text);
    walker.currentNode = text;
  }
  return found;
}

function write(id, report, seq) {
  for (const one of amounts) {
    if (!one.of.has(id) || seq <= one.seq) continue;
    const value = report[AT[one.form]];
    one.total += value - one.of.get(id);
    one.of.set(id, value);
    const words = FORMS[one.form](one.total);
    for (const text of one.texts) if (text.data !== words) text.data = words;
  }
}

// ---- reports -----------------------------------------------------------------------------------------

// What the server was asked about already: a page must not ask again with each report.
const asked = new Map();

function kinds([bytes, rate, packets]) {
  const reported = [bytes !== null && "bytes", rate !== null && (rate ? "rate" : "zero"), packets !== null && "packets"];
  return reported.filter(Boolean).join(" ");
}

// Empty if only the amounts differ from what the page shows.
function change(id, report, places) {
  const now = kinds(report);
  if (!places.length) return document.querySelector("[data-every-request]") ? `new ${now}` : "";
  if (places.some((place) => "old" in place.dataset)) return `old ${now}`;
  return places.some((place) => place.dataset.reported !== now) ? now : "";
}

document.addEventListener("portal:amounts", ({ detail: { seq, data } }) => {
  let [isShown, isChanged] = [false, false];
  const heard = [];
  for (const [id, report] of Object.entries(data)) {
    const places = [...document.querySelectorAll(`[data-mitigation="${id}"]`)];
    if (places.length && places.every((place) => seq <= seqOf(place))) continue;
    const changed = change(id, report, places);
    isShown ||= places.length > 0;
    if (changed) {
      isChanged ||= asked.get(id) !== changed;
      asked.set(id, changed);
      continue;
    }
    asked.delete(id);
    write(id, report, seq);
    heard.push({ places, at: report[3] * 1000 });
  }
  if (heard.length) document.dispatchEvent(new CustomEvent("portal:heard", { detail: heard }));
  const kind = isChanged ? "portal:state" : "portal:counters";
  if (isChanged || isShown) document.dispatchEvent(new CustomEvent("portal:refresh", { detail: { kind } }));
});

document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
  const part = target?.isConnected ? target : document.getElementById(target?.id);
  if (part) read(part);
});
read(document);
