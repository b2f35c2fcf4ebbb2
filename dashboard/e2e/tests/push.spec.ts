// Push in a real browser, from the visitor's click to the click on the message. Chromium here has no push service: subscribing is
// stubbed, and messages are delivered by the DevTools protocol; all between the two is the real thing.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BrowserContext, Page } from "@playwright/test";
import { GetPushKeyResponseSchema, SubscribeRequestSchema, UnsubscribeRequestSchema, type SubscribeRequest } from "../../app/src/gen/pistats/push/v1/push_pb.js";
import { exported } from "../lib/clients.js";
import { DIST, html, Pages } from "../lib/pages.js";
import { Proxy } from "../lib/proxy.js";
import type { Site } from "../lib/server.js";
import { expect, freshName, test } from "../lib/test.js";

const SERVICE = "/pistats.push.v1.PushService/";
const ENDPOINT = "https://push.example/send/1";
const PUBLIC_KEY = Uint8Array.from({ length: 65 }, (_, at) => (at === 0 ? 4 : at));
const CAMPAIGN = "0123456789abcdef0123456789abcdef";

let proxy: Proxy;
let pages: Pages;
let site: Site;
let subscribed: SubscribeRequest[];
let unsubscribed: string[];

test.beforeEach(async ({ server }) => {
  site = await server.site(freshName("push"));
  proxy = await Proxy.serve(server.url);
  [subscribed, unsubscribed] = [[], []];
  proxy.answers.set(`${SERVICE}GetPushKey`, () => toBinary(GetPushKeyResponseSchema, create(GetPushKeyResponseSchema, { publicKey: PUBLIC_KEY })));
  proxy.answers.set(`${SERVICE}Subscribe`, (message) => (subscribed.push(fromBinary(SubscribeRequestSchema, message)), new Uint8Array()));
  proxy.answers.set(`${SERVICE}Unsubscribe`, (message) => (unsubscribed.push(fromBinary(UnsubscribeRequestSchema, message).endpoint), new Uint8Array()));
  const scripts = `<script defer src="${proxy.origin}/js/p.js" data-key="${site.write}"></script><script defer src="${proxy.origin}/js/p.extra.js" data-push></script>`;
  pages = await Pages.serve((path) => {
    if (path === "/pistats-sw.js") return readFileSync(join(DIST, "js/pistats-sw.js"), "utf8");
    return html(`Page ${path}`, scripts, "<button onclick=\"pistats('push').then((state) => document.title = state)\">Tell me</button><button onclick=\"pistats('unpush').then(() => document.title = 'gone')\">Not any more</button>");
  });
});
test.afterEach(async () => {
  await pages?.close();
  await proxy?.close();
});

/** `subscribe` and `getSubscription` as a browser with a push service has them; it tells what it was asked with. */
async function withPushService(context: BrowserContext): Promise<void> {
  await context.addInitScript((endpoint) => {
    let there: any = null;
    const key = (length: number) => Uint8Array.from({ length }, (_, at) => at + 1).buffer;
    PushManager.prototype.subscribe = async function (options) {
      (window as any).asked = [...new Uint8Array(options?.applicationServerKey as ArrayBuffer)];
      there = { endpoint, options: { applicationServerKey: new Uint8Array(options?.applicationServerKey as ArrayBuffer).buffer }, getKey: (name: string) => key(name === "auth" ? 16 : 65), unsubscribe: async () => ((there = null), true) };
      return there;
    };
    PushManager.prototype.getSubscription = async () => there;
  }, ENDPOINT);
}

async function subscribe(context: BrowserContext): Promise<Page> {
  await context.grantPermissions(["notifications"], { origin: pages.origin });
  await withPushService(context);
  const page = await context.newPage();
  await page.goto(pages.origin);
  await page.getByRole("button", { name: "Tell me" }).click();
  await expect(page).toHaveTitle("subscribed");
  return page;
}

/** Lets the page's worker have a message, as a push service would. */
async function deliver(page: Page, data: string): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  const registration = new Promise<string>((done) => {
    devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const found = registrations.find(({ scopeURL, isDeleted }) => scopeURL.startsWith(pages.origin) && !isDeleted);
      if (found) done(found.registrationId);
    });
  });
  await devtools.send("ServiceWorker.enable");
  await devtools.send("ServiceWorker.deliverPushMessage", { origin: pages.origin, registrationId: await registration, data });
  await devtools.detach();
}

const shown = (page: Page) =>
  page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, data })));

test("a click subscribes the visitor with the site's key and registers them; another click takes it back", async ({ context }) => {
  const page = await subscribe(context);
  expect(await page.evaluate(() => (window as any).asked)).toEqual([...PUBLIC_KEY]);
  expect(subscribed).toHaveLength(1);
  const [told] = subscribed;
  expect(told?.subscription?.endpoint).toBe(ENDPOINT);
  expect([told?.subscription?.p256dh.length, told?.subscription?.auth.length]).toEqual([65, 16]);
  expect(told?.visitorId).toBe(await page.evaluate(() => localStorage["pistats:visitor"]));
  expect(told?.timeZone).toBe(await page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone));
  await page.getByRole("button", { name: "Not any more" }).click();
  await expect(page).toHaveTitle("gone");
  expect(unsubscribed).toEqual([ENDPOINT]);
});

test("who says no is told so, and nothing is registered", async ({ context }) => {
  await withPushService(context);
  await context.addInitScript(() => (Notification.requestPermission = async () => "denied"));
  const page = await context.newPage();
  await page.goto(pages.origin);
  await page.getByRole("button", { name: "Tell me" }).click();
  await expect(page).toHaveTitle("denied");
  expect(subscribed).toEqual([]);
});

test("a message is shown, a click on it opens its address and comes back as an event of the same visitor with the campaign", async ({ context, server }) => {
  const page = await subscribe(context);
  await expect.poll(() => exported(server.url, site.read)).toHaveLength(1);
  const address = `${pages.origin}/offer`;
  await deliver(page, JSON.stringify({ title: "It is back", body: "The green kettle", icon: "", url: address, tag: "stock", campaign: CAMPAIGN }));
  await expect.poll(() => shown(page)).toEqual([{ title: "It is back", body: "The green kettle", tag: "stock", data: { url: address, campaign: CAMPAIGN } }]);
  const [worker] = context.serviceWorkers();
  // Nobody can click a notification of a browser without a window: the event that the click is, with the notification itself.
  const asked = await worker?.evaluate(async () => {
    const scope = self as any;
    const [notification] = await scope.registration.getNotifications();
    const opened: string[] = [];
    scope.clients.openWindow = async (url: string) => void opened.push(url);
    const event = new (self as any).NotificationEvent("notificationclick", { notification });
    const waiting: Promise<unknown>[] = [];
    event.waitUntil = (work: Promise<unknown>) => waiting.push(work);
    scope.dispatchEvent(event);
    await Promise.all(waiting);
    return opened;
  });
  expect(asked).toEqual([address]);
  await expect.poll(() => shown(page)).toEqual([]);
  await expect.poll(() => exported(server.url, site.read)).toHaveLength(2);
  const [view, click] = (await exported(server.url, site.read)).sort((a, b) => Number(a.timeUs - b.timeUs));
  expect(click).toMatchObject({ name: "push_click", url: address, properties: { campaign: CAMPAIGN }, visitor: view?.visitor });
});

test("a test message, which has no campaign, is shown, and its click counts nowhere", async ({ context, server }) => {
  const page = await subscribe(context);
  await expect.poll(() => exported(server.url, site.read)).toHaveLength(1);
  await deliver(page, JSON.stringify({ title: "A test", body: "", icon: "", url: "", tag: "", campaign: "" }));
  await expect.poll(async () => (await shown(page)).map(({ title }) => title)).toEqual(["A test"]);
  const [worker] = context.serviceWorkers();
  await worker?.evaluate(async () => {
    const scope = self as any;
    const [notification] = await scope.registration.getNotifications();
    scope.clients.matchAll = async () => [];
    scope.clients.openWindow = async () => undefined;
    const event = new (self as any).NotificationEvent("notificationclick", { notification });
    const waiting: Promise<unknown>[] = [];
    event.waitUntil = (work: Promise<unknown>) => waiting.push(work);
    scope.dispatchEvent(event);
    await Promise.all(waiting);
  });
  await page.waitForTimeout(300);
  expect(await exported(server.url, site.read)).toHaveLength(1);
});
