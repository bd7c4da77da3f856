// What a screen reader is told: at most once every 5 s, folded when much happened; two things may interrupt.

const EVERY_MS = 5000;
const FOLD_FROM = 4;
const SHOWN = 2;

const polite = document.getElementById("announce");
const urgent = document.getElementById("urgent");
let waiting = [];
let timer = null;
let lastSeq = Number(document.getElementById("live")?.dataset.seq ?? 0);

function say(text) {
  waiting.push(text);
  timer ??= setTimeout(speak, 250);
}

function speak() {
  const count = waiting.length;
  const newest = count >= FOLD_FROM ? [`${count} updates.`, ...waiting.slice(-SHOWN)] : waiting;
  polite.textContent = newest.join(" ");
  waiting = [];
  timer = setTimeout(() => {
    timer = null;
    if (waiting.length) timer = setTimeout(speak, 0);
  }, EVERY_MS);
}

function interrupt(text) {
  // The same words twice are read twice only if the region was empty between.
  urgent.textContent = "";
  setTimeout(() => {
    urgent.textContent = text;
  }, 50);
}

// The server sends the words with the parts it renders; numbers already read are skipped.
function hear() {
  for (const line of document.querySelectorAll("#heard > li")) {
    const seq = Number(line.dataset.seq);
    if (seq <= lastSeq) continue;
    lastSeq = seq;
    if ("urgent" in line.dataset) interrupt(line.textContent);
    else say(line.textContent);
  }
}

document.addEventListener("portal:say", (event) => {
  if (event.detail.isUrgent) interrupt(event.detail.text);
  else say(event.detail.text);
});
document.addEventListener("htmx:oobAfterSwap", hear);
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb === "get") event.detail.parameters.after = String(lastSeq);
});
