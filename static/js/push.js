// Notices in this browser: the browser asks its person and registers with its push service, and a form sends the
// address that it got. The page works without this, except for adding a browser.

const STOP_PATIENCE_MS = 3000;

const place = document.querySelector("[data-push]");
const form = place?.querySelector("form");
const rows = [...document.querySelectorAll("[data-push-device]")];

function says(which) {
  for (const one of place.querySelectorAll("[data-push-says]")) one.hidden = one.dataset.pushSays !== which;
}

// The page is outside of the worker's folder, so `navigator.serviceWorker.ready` never comes.
async function registered() {
  const registration = await navigator.serviceWorker.register(place.dataset.worker);
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return registration;
  await new Promise((resolve, reject) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve();
      if (worker.state === "redundant") reject(new Error("the worker was not installed"));
    });
  });
  return registration;
}

async function subscription() {
  const registration = await navigator.serviceWorker.getRegistration(place.dataset.worker);
  return registration?.pushManager.getSubscription();
}

async function digestOf(text) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
}

// Whether the newest key of the portal allowed it.
function isCurrent(own) {
  const key = new Uint8Array(own.options.applicationServerKey ?? []);
  const text = btoa(String.fromCharCode(...key));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "") === place.dataset.key;
}

async function add() {
  if ((await Notification.requestPermission()) !== "granted") {
    says(Notification.permission === "denied" ? "denied" : "asked");
    return false;
  }
  const registration = await registered();
  // One that another key of the portal allowed cannot be changed.
  await (await registration.pushManager.getSubscription())?.unsubscribe();
  const made = await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: place.dataset.key,
  });
  const { endpoint, keys } = made.toJSON();
  form.elements.endpoint.value = endpoint;
  form.elements.p256dh.value = keys.p256dh;
  form.elements.auth.value = keys.auth;
  form.submit();
  return true;
}

async function press(event) {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  says("");
  try {
    if (await add()) return;
  } catch {
    says("failed");
  }
  form.hidden = Notification.permission === "denied";
  button.disabled = false;
}

// The push service may be out of reach, as it is under attack; the portal sends nothing there any more in any case.
function stopFirst(own, row) {
  row.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const patience = new Promise((resolve) => setTimeout(resolve, STOP_PATIENCE_MS));
    await Promise.race([own.unsubscribe().catch(() => false), patience]);
    event.target.submit();
  });
}

async function begin() {
  if (!globalThis.PushManager || !globalThis.Notification || !navigator.serviceWorker) {
    says("impossible");
    return;
  }
  const own = await subscription();
  const digest = own && (await digestOf(own.endpoint));
  const row = rows.find((one) => one.dataset.pushDevice === digest);
  if (row) stopFirst(own, row);
  const isDenied = Notification.permission === "denied";
  says(isDenied ? "denied" : "");
  form.hidden = isDenied || Boolean(row && isCurrent(own));
  form.addEventListener("submit", press);
}

if (place) begin();
