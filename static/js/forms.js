// Small helps for forms. Every form works without them.

const AGAIN_AFTER_MS = 20000;
const STILL_AFTER_MS = 2000;

document.documentElement.classList.add("has-script");
for (const element of document.querySelectorAll("[data-with-script]")) element.hidden = false;

// Without a script a page with a wrong input opens at its top, which may be far from the input.
document.querySelector("main [aria-invalid=true]")?.focus();

// A button that was pressed cannot be pressed again; the server's answer replaces the page.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  document.body.dataset.sending = "1";
  const button = event.submitter?.matches(".vh") ? form.querySelector("[data-sending]") : event.submitter;
  if (button) showSending(button);
  setTimeout(() => release(form, button), AGAIN_AFTER_MS);
});

function showSending(button) {
  button.setAttribute("aria-disabled", "true");
  button.classList.add("is-sending");
  if (!button.dataset.sending) return;
  button.dataset.words = button.textContent;
  button.textContent = button.dataset.sending;
  setTimeout(() => {
    if (button.classList.contains("is-sending")) button.textContent = `Still ${button.dataset.sending.toLowerCase()}`;
  }, STILL_AFTER_MS);
}

function release(form, button) {
  delete form.dataset.sent;
  delete document.body.dataset.sending;
  if (!button) return;
  button.removeAttribute("aria-disabled");
  button.classList.remove("is-sending");
  if (button.dataset.words) button.textContent = button.dataset.words;
}

// Back from the browser's history: the form may be sent again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) release(form, form.querySelector(".is-sending"));
});

document.addEventListener("input", (event) => {
  const { target } = event;
  if (target.matches("[data-sends-itself]")) sendWhenComplete(target);
  if (target.matches("[data-filters]")) filter(target);
});

// A request that filters traffic is sent by its button. Enter in a field leads there, so that Enter twice sends;
// on a box to tick it does nothing.
document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (key !== "Enter" || event.isComposing || !target.matches("[data-by-button] input")) return;
  event.preventDefault();
  if (target.matches("[type=text]")) document.getElementById("send")?.focus();
});

// ---- copying ---------------------------------------------------------------------------------------------

const COPIED_MS = 2000;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const text = button.dataset.copies || button.closest("[data-copied-from]").querySelector("pre").textContent;
  const done = await copy(text);
  const said = done ? "Copied." : "The browser does not allow the page to copy. Select the text instead.";
  document.dispatchEvent(new CustomEvent("portal:say", { detail: { text: said } }));
  button.classList.toggle("is-copied", done);
  setTimeout(() => button.classList.remove("is-copied"), COPIED_MS);
});

async function copy(text) {
  // Browsers offer the clipboard to HTTPS and to this machine alone.
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

function copySelected(text) {
  const { activeElement } = document;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "vh";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  activeElement?.focus();
  return done;
}

function sendWhenComplete(input) {
  const digits = input.value.replace(/\s/g, "");
  if (/^\d+$/.test(digits) && digits.length === Number(input.dataset.sendsItself)) input.form.requestSubmit();
}

function filter(input) {
  const wanted = input.value.trim().toLowerCase();
  const list = document.getElementById(input.dataset.filters);
  for (const more of list.querySelectorAll("details")) if (wanted) more.open = true;
  for (const label of list.querySelectorAll("label")) {
    const isTicked = label.querySelector("input").checked;
    label.hidden = wanted !== "" && !isTicked && !label.textContent.toLowerCase().includes(wanted);
  }
}

document.addEventListener("change", (event) => {
  const { target } = event;
  if (target.matches("[data-shows]")) {
    document.getElementById(target.dataset.shows).type = target.checked ? "text" : "password";
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-prints]")) print();
  const closer = event.target.closest("[data-closes]");
  const details = closer?.closest("details");
  if (details) {
    event.preventDefault();
    details.open = false;
    details.querySelector("summary").focus();
  }
});

// A question takes the focus on its way back, never on the act.
document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.matches("details.confirm") && event.target.open) event.target.querySelector("[data-closes]")?.focus();
  },
  true,
);

// Targets were checked while typing: the field says so too.
document.addEventListener("htmx:oobAfterSwap", () => {
  const [errors, input] = [document.getElementById("other-e"), document.getElementById("other")];
  if (!errors || !input) return;
  if (errors.children.length) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
});

document.getElementById("sum")?.focus();
