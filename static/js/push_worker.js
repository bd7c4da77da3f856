// Shows the notices that the portal sends to this browser, and opens their page. It loads nothing, keeps nothing, and
// intercepts no page: its folder has none.

const WITHOUT_WORDS = { title: "The portal has a notice for you", navigate: "/" };

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("push", (event) => {
  // A browser that gets a push and shows nothing ends the subscription.
  const { title, body, navigate, tag = "", lang } = noticeIn(event.data);
  const page = pageOf(navigate);
  const shown = self.registration.showNotification(title, { body, tag, renotify: tag !== "", lang, data: { page } });
  event.waitUntil(shown);
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.page));
});

// As Declarative Web Push has it.
function noticeIn(data) {
  try {
    const { notification } = data.json();
    return notification.title ? notification : WITHOUT_WORDS;
  } catch {
    return WITHOUT_WORDS;
  }
}

// Only a path is taken from a message, so that each page is one of this portal.
function pageOf(address) {
  const page = new URL(self.location.origin);
  try {
    const { pathname, search } = new URL(address, page);
    page.pathname = pathname;
    page.search = search;
  } catch {
    // The home page.
  }
  return page.href;
}

async function open(page) {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const shown = windows.find((one) => one.url.split("#")[0] === page);
  return shown ? shown.focus() : self.clients.openWindow(page);
}
