// The browser makes or gives a passkey for the options of a form, and the form sends what the browser answers.

const REFUSED = "No passkey was used. Try again.";

async function answerTo(form) {
  const options = JSON.parse(form.dataset.options);
  const made =
    form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  return JSON.stringify(made.toJSON());
}

async function send(form) {
  const button = form.querySelector("button");
  const said = form.querySelector("[data-said]");
  button.disabled = true;
  try {
    form.querySelector("[data-answer]").value = await answerTo(form);
    form.submit();
  } catch (error) {
    // The person closed the browser's question, or has no passkey here.
    said.textContent = error.name === "InvalidStateError" ? "This device has a passkey of yours already." : REFUSED;
    said.hidden = false;
    button.disabled = false;
  }
}

const isPossible = globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON && isSecureContext;
for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !isPossible;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}
for (const note of document.querySelectorAll("[data-no-passkeys]")) note.hidden = Boolean(isPossible);
