// Small helps for forms. Every form works without them.

const AGAIN_AFTER_MS = 20000;
const STILL_AFTER_MS = 2000;

for (const element of document.querySelectorAll("[data-with-script]")) element.hidden = false;

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
