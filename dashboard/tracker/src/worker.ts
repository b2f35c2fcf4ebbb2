// pistats-sw.js: the service worker that shows messages of piStats. It has to lie on the site's own origin (a rule of browsers), at
// its root: copy it there from /js/pistats-sw.js of your piStats. A site with a worker of its own takes it in with importScripts.
//
//   push ─▶ a notification          a click on it ─▶ its address is opened, and the event `push_click` tells the campaign
//
// What it is told: JSON with title, body, icon, url, tag and campaign (pistats.push.v1). It caches nothing of the site and answers no
// request of it.
import { encode, request, toBytes } from "./encode.js";
import { newId } from "./id.js";
import { CACHE, PLACE, register, type Left } from "./push.js";

/** What this file needs of the worker's scope; TypeScript's library of the page does not know it. */
interface Scope {
  registration: ServiceWorkerRegistration;
  clients: { matchAll(options: object): Promise<{ url: string; focus(): Promise<unknown> }[]>; openWindow(url: string): Promise<unknown> };
  skipWaiting(): Promise<void>;
  addEventListener(name: string, act: (event: any) => void): void;
}
const worker = self as unknown as Scope;

interface Message {
  title: string;
  body?: string;
  icon?: string;
  url?: string;
  tag?: string;
  campaign?: string;
}

const TRIES = 3;

const left = async (): Promise<Left | undefined> => (await (await caches.open(CACHE)).match(PLACE))?.json();

/** Tells the click as the page's tracker would have: the same visitor, an id of its own, sent again until it is on disk. */
const tell = async (campaign: string, url: string): Promise<void> => {
  const found = await left();
  if (!found || !campaign) return;
  const { host, key, visitor } = found;
  const now = Date.now();
  const event = encode({ id: newId(now), timeUs: now * 1e3, visitor, name: "push_click", url, props: { campaign } });
  for (let tries = 1; tries <= TRIES; tries++) {
    try {
      const body = new Blob([toBytes(request([event], Date.now() * 1e3))], { type: "text/plain" });
      const { ok, status } = await fetch(`${host}/collect?key=${encodeURIComponent(key)}`, { method: "POST", body, credentials: "omit" });
      // What is refused is refused the next time, too.
      if (ok || (status < 500 && status != 429)) return;
    } catch {} // No net: once more.
    await new Promise((done) => setTimeout(done, 1e3 * tries));
  }
};

const open = async (url: string): Promise<void> => {
  const windows = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = windows.find((each) => each.url == url);
  await (there ? there.focus() : worker.clients.openWindow(url));
};

// A new version of this file is at work at once.
worker.addEventListener("install", () => void worker.skipWaiting());

worker.addEventListener("push", (event) => {
  const show = async (): Promise<void> => {
    const { title, body, icon, url, tag, campaign } = event.data.json() as Message;
    await worker.registration.showNotification(title, { body: body || "", data: { url, campaign }, ...(icon && { icon }), ...(tag && { tag }) });
  };
  event.waitUntil(show());
});

worker.addEventListener("notificationclick", (event) => {
  const { notification } = event as { notification: Notification };
  notification.close();
  const { url, campaign = "" } = (notification.data || {}) as Message;
  const address = url || worker.registration.scope;
  event.waitUntil(Promise.all([tell(campaign, address), open(address)]));
});

// A browser that changes a subscription by itself says so here alone.
worker.addEventListener("pushsubscriptionchange", (event) => {
  const renew = async (): Promise<void> => {
    const found = await left();
    const { newSubscription, oldSubscription } = event as { newSubscription?: PushSubscription; oldSubscription?: PushSubscription };
    const subscription = newSubscription || (oldSubscription && (await worker.registration.pushManager.subscribe(oldSubscription.options)));
    if (found && subscription) await register(found, subscription);
  };
  event.waitUntil(renew());
});
