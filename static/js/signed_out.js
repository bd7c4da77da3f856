// Once the session of a page is over, or its person may not see the page any more, the page hides what it showed and
// leaves. What was typed waits at the server for the same person, as if the form had been sent (ADR 38).

const CHECK = "/signed-in";
const EVERY_MS = 60000;
const AT_MOST_EVERY_MS = 10000;
const PATIENCE_MS = 12000;
const OVER = "You were signed out, or may not see this page any more.";
const MARK = "typed_by";

let isOver = false;
let leftAt = -Infinity;
let checkedAt = performance.now();

// Live pages hear of it from their socket; the others ask. A HEAD request does not count as use of the session.
async function check() {
  if (isOver || document.hidden || performance.now() - checkedAt < AT_MOST_EVERY_MS) return;
  checkedAt = performance.now();
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(CHECK, { method: "HEAD", redirect: "manual", signal });
    if (answer.type === "opaqueredirect") leave();
  } catch {
    // No connection: nothing is known.
  }
}

async function leave() {
  if (isOver) return;
  // A button of this page may have ended the access: its answer leads elsewhere.
  const remainingMs = leftAt + PATIENCE_MS - performance.now();
  if (remainingMs > 0) {
    setTimeout(leave, remainingMs);
    return;
  }
  isOver = true;
  hide();
  const form = typedForm();
  let following = location.href;
  try {
    if (form) following = (await keep(form)) ?? following;
  } catch {
    // The form stays in this page, and the link tries again.
    return;
  }
  location.replace(following);
}

function hide() {
  const banner = document.getElementById("banner") ?? document.createElement("div");
  banner.className = "banner";
  banner.setAttribute("role", "alert");
  const words = document.createElement("span");
  words.textContent = OVER;
  const again = document.createElement("a");
  again.href = location.href;
  again.textContent = "Sign in";
  again.addEventListener("click", retry);
  banner.replaceChildren(words, " ", again);
  for (const one of document.body.children) one.hidden = one !== banner;
  if (!banner.isConnected) document.body.prepend(banner);
  banner.hidden = false;
  document.title = "Signed out";
}

function retry(event) {
  event.preventDefault();
  isOver = false;
  leave();
}

// Only forms that say who typed them can wait.
function typedForm() {
  return [...document.forms].find((form) => form.elements.namedItem(MARK) && [...form.elements].some(isTyped));
}

function isTyped(field) {
  if (field.type === "hidden" || field.disabled) return false;
  if (field.matches("input[type=checkbox], input[type=radio]")) return field.checked !== field.defaultChecked;
  if (field.matches("select")) return [...field.options].some((one) => one.selected !== one.defaultSelected);
  return field.matches("input, textarea") && field.value !== field.defaultValue;
}

// Where to sign in. This address never does what the form asks. Undefined: the session continues.
async function keep(form) {
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const field = form.elements.namedItem(name);
    if (typeof value === "string" && field?.type !== "password") fields.append(name, value);
  }
  const answer = await fetch(CHECK, { method: "POST", body: fields, signal: AbortSignal.timeout(PATIENCE_MS) });
  return answer.redirected ? answer.url : undefined;
}

addEventListener("beforeunload", () => (leftAt = performance.now()));
document.addEventListener("portal:over", leave);
document.addEventListener("visibilitychange", check);
addEventListener("focus", check);
// A page from the browser's history may be older than the end of the session.
addEventListener("pageshow", (event) => {
  if (event.persisted) checkedAt = -Infinity;
  check();
});
if (!document.getElementById("live")) setInterval(check, EVERY_MS);
