// The tracker on pages of another origin, against the real server: what people do arrives, exactly once.
import type { BrowserContext, Page } from "@playwright/test";
import { exported, idText } from "../lib/clients.js";
import { html, Pages, snippet, type Page as PageText } from "../lib/pages.js";
import { watchCalls } from "../lib/sent.js";
import { Server, type Site } from "../lib/server.js";
import { expect, freshName, test } from "../lib/test.js";

let pages: Pages;
let site: Site;
/** The page at every address; a test may put another in its place. */
let page_: PageText;

test.beforeEach(async ({ server }) => {
  site = await server.site(freshName());
  page_ = (path) => (path.startsWith("/js/") ? undefined : html(`Page ${path}`, tag(server)));
  pages = await Pages.serve((path, request) => page_(path, request));
});
test.afterEach(() => pages?.close());

/** The snippet; the script comes from the page's own server, so that what is tested is what was just built. */
const tag = (server: Server, attributes = ""): string => snippet(pages.origin, site.write, `data-host="${server.url}" ${attributes}`);

const names = async (server: Server): Promise<string[]> => (await exported(server.url, site.read)).map((event) => event.name);

/** Tells the event `click` with n from `first` to `last`, one task each, as a person's clicks are. */
const click = (page: Page, first: number, last: number): Promise<void> =>
  page.evaluate(
    async ([first, last]) => {
      for (let n = first; n <= last; n++) {
        (window as any).pistats("click", { props: { n } });
        await new Promise((done) => setTimeout(done));
      }
    },
    [first, last] as const,
  );

/** The n of all clicks that are in the warehouse, each as often as it counts. */
const clicks = async (server: Server): Promise<number[]> => {
  const events = await exported(server.url, site.read);
  return events.flatMap((event) => (event.name == "click" ? [Number(event.properties["n"])] : [])).sort((a, b) => a - b);
};
const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

const queued = (page: Page): Promise<number> =>
  page.evaluate(() => Object.keys(localStorage).filter((name) => /^pistats:\w{32}:/.test(name)).length);

const open = async (context: BrowserContext, path = "/"): Promise<Page> => {
  const page = await context.newPage();
  await page.goto(pages.origin + path);
  return page;
};

test("a page view says what the browser knows", async ({ server, browser }) => {
  const context = await browser.newContext({ locale: "pt-BR", timezoneId: "America/Sao_Paulo", screen: { width: 1280, height: 720 } });
  const calls = watchCalls(context);
  const page = await context.newPage();
  await page.goto(`${pages.origin}/a?utm_source=news#part`, { referer: "https://search.example/" });
  await expect.poll(() => names(server)).toEqual(["page_view"]);
  const [event] = await exported(server.url, site.read);
  expect(event).toMatchObject({
    url: `${pages.origin}/a?utm_source=news`,
    page: `${pages.host}/a`,
    title: "Page /a",
    language: "pt-BR",
    screen: "1280x720",
    utmSource: "news",
    browser: "Chrome",
  });
  const sent = calls[0]?.events[0];
  expect(sent).toMatchObject({ timeZone: "America/Sao_Paulo", name: "", userId: "" });
  expect(sent?.visitorId).toMatch(/^[0-9a-f]{32}$/);
  expect(Math.abs(Number(sent?.sentAtUs) / 1000 - Date.now())).toBeLessThan(30_000);
  expect(idText(event?.id ?? new Uint8Array())).toBe(idText(sent?.id ?? new Uint8Array()));
  await context.close();
});

test("custom events carry properties, a value and topics; a refund is below zero", async ({ server, context }) => {
  const page = await open(context);
  await page.evaluate(() => {
    const pistats = (window as any).pistats;
    pistats("signup", { props: { plan: "pro", seats: 3 }, value: 19.99, topics: ["news", "sport"] });
    pistats.track("refund", { value: -5 });
  });
  await expect.poll(() => names(server)).toEqual(["page_view", "signup", "refund"]);
  const [, signup, refund] = await exported(server.url, site.read);
  expect(signup).toMatchObject({ properties: { plan: "pro", seats: "3" }, valueMicros: 19_990_000n, topics: ["news", "sport"] });
  expect(refund?.valueMicros).toBe(-5_000_000n);
});

test("a single-page app's pages are viewed in order, each with its own title and the page before as referrer", async ({ server, context }) => {
  const page = await open(context, "/one");
  await page.evaluate(async () => {
    const go = (path: string, how: "pushState" | "replaceState") => {
      history[how](null, "", path);
      // As frameworks do: the title follows in a microtask.
      queueMicrotask(() => (document.title = `Page ${path}`));
    };
    const moment = () => new Promise((done) => setTimeout(done, 30));
    go("/two", "pushState");
    await moment();
    go("/three", "replaceState");
    await moment();
    go("/three#part", "pushState"); // The same page.
    await moment();
    history.back();
    await moment();
    history.back();
  });
  await expect.poll(() => names(server)).toHaveLength(4);
  const views = (await exported(server.url, site.read)).map(({ url, title, referrer }) => [url, title, referrer].map((text) => text.replace(pages.origin, "")));
  expect(views).toEqual([
    ["/one", "Page /one", ""],
    ["/two", "Page /two", "/one"],
    ["/three", "Page /three", "/two"],
    ["/one", "Page /three#part", "/three"], // Nobody changed the title back.
  ]);
});

test("with data-hash the part after # is a page, too", async ({ server, context }) => {
  page_ = (path) => (path.startsWith("/js/") ? undefined : html("Hash", tag(server, "data-hash")));
  const page = await open(context, "/#a");
  await page.evaluate(() => (location.hash = "b"));
  await expect.poll(async () => (await exported(server.url, site.read)).map(({ url }) => url.replace(pages.origin, ""))).toEqual(["/#a", "/#b"]);
});

test("with data-manual a page is viewed when the page says so", async ({ server, context }) => {
  page_ = (path) => (path.startsWith("/js/") ? undefined : html("Manual", tag(server, "data-manual")));
  const page = await open(context);
  await page.evaluate(() => history.pushState(null, "", "/elsewhere"));
  await page.evaluate(() => (window as any).pistats.view({ url: "https://shop.example/virtual", title: "Virtual" }));
  await expect.poll(() => names(server)).toEqual(["page_view"]);
  expect((await exported(server.url, site.read))[0]).toMatchObject({ url: "https://shop.example/virtual", title: "Virtual" });
});

test("calls made before the tracker was there are made up for", async ({ server, context }) => {
  const stub = "<script>window.pistats=window.pistats||function(){(pistats.q=pistats.q||[]).push(arguments)}</script>";
  const early = "<script>pistats({ user: 'u-42' }); pistats('early', { props: { n: 1 } })</script>";
  page_ = (path) => (path.startsWith("/js/") ? undefined : html("Early", stub + early + tag(server)));
  await open(context);
  await expect.poll(() => names(server)).toEqual(["page_view", "early"]);
  expect((await exported(server.url, site.read))[1]).toMatchObject({ userId: "u-42", properties: { n: "1" } });
});

test("a user is named on later pages too, until nobody is named any more", async ({ server, context }) => {
  const page = await open(context);
  await page.evaluate(() => (window as any).pistats.identify("u-42"));
  await page.goto(`${pages.origin}/next`);
  await page.evaluate(() => (window as any).pistats.identify());
  await page.goto(`${pages.origin}/last`);
  await expect.poll(async () => (await exported(server.url, site.read)).map(({ userId }) => userId)).toEqual(["", "u-42", ""]);
  const visitors = new Set((await exported(server.url, site.read)).map(({ visitor }) => visitor));
  expect(visitors.size).toBe(1);
});

test("a page that is offline keeps its events and sends them when it is back, each once", async ({ server, context }) => {
  const page = await open(context);
  await click(page, 1, 5);
  await expect.poll(() => clicks(server)).toEqual(upTo(5));
  await context.setOffline(true);
  await click(page, 6, 25);
  expect(await queued(page)).toBe(20);
  await context.setOffline(false);
  await click(page, 26, 30);
  await expect.poll(() => clicks(server)).toEqual(upTo(30));
  await expect.poll(() => queued(page)).toBe(0);
});

test("four tabs that were offline together resend what all of them kept, and each event counts once", async ({ server, context }) => {
  const tabs = await Promise.all([1, 2, 3, 4].map(() => open(context)));
  await expect.poll(() => names(server)).toHaveLength(4);
  await context.setOffline(true);
  for (const [at, tab] of tabs.entries()) await click(tab, at * 10 + 1, at * 10 + 10);
  await context.setOffline(false);
  await expect.poll(() => clicks(server), { timeout: 40_000 }).toEqual(upTo(40));
  for (const tab of tabs) await expect.poll(() => queued(tab)).toBe(0);
  // A moment for what might come twice.
  await tabs[0]?.waitForTimeout(500);
  expect(await clicks(server)).toEqual(upTo(40));
});

test("a server that is killed and comes back gets every event once", async ({ context }) => {
  const own = await Server.start();
  try {
    site = await own.site(freshName());
    page_ = (path) => (path.startsWith("/js/") ? undefined : html("Killed", tag(own)));
    const page = await open(context);
    await click(page, 1, 20);
    await own.kill();
    await click(page, 21, 40);
    await own.revive();
    await click(page, 41, 50);
    await expect.poll(() => clicks(own), { timeout: 40_000 }).toEqual(upTo(50));
    await expect.poll(() => queued(page)).toBe(0);
  } finally {
    await own.stop();
  }
});

test("what an event is refused for is told to the page, and it leaves the queue", async ({ server, context }) => {
  const page = await open(context);
  const refusal = page.evaluate(
    () =>
      new Promise((told) => {
        addEventListener("pistats:rejected", (event) => told((event as CustomEvent).detail), { once: true });
        (window as any).pistats("x".repeat(257));
      }),
  );
  expect(await refusal).toMatchObject({ index: 0, reason: 4, field: "events[0].name" });
  await expect.poll(() => queued(page)).toBe(0);
  await expect.poll(() => names(server)).toEqual(["page_view"]);
});

test("a key that may not send stops the tracker with one warning that says why", async ({ server, context }) => {
  page_ = (path) => (path.startsWith("/js/") ? undefined : html("Wrong key", snippet(pages.origin, "wrong", `data-host="${server.url}"`)));
  const calls = watchCalls(context);
  const page = await context.newPage();
  const warnings: string[] = [];
  page.on("console", (message) => message.type() == "warning" && warnings.push(message.text()));
  await page.goto(pages.origin);
  await expect.poll(() => warnings).toEqual(["pistats stopped: this key is unknown or revoked; `pistats key create` makes one"]);
  await click(page, 1, 5);
  await page.waitForTimeout(300);
  expect([calls.length, warnings.length]).toEqual([1, 1]);
});

test("a snippet that stands twice on a page counts once", async ({ server, context }) => {
  page_ = (path) => (path.startsWith("/js/") ? undefined : html("Twice", tag(server) + tag(server)));
  const page = await open(context);
  await click(page, 1, 1);
  await expect.poll(() => names(server)).toEqual(["page_view", "click"]);
});

test("cookieless: nothing is stored, and no visitor is named", async ({ server, context }) => {
  page_ = (path) => (path.startsWith("/js/") ? undefined : html("Cookieless", tag(server, "data-cookieless")));
  const calls = watchCalls(context);
  const page = await open(context);
  await page.evaluate(() => (window as any).pistats.identify("u-42"));
  await click(page, 1, 1);
  await expect.poll(() => calls.flatMap((call) => call.events)).toHaveLength(2);
  expect(calls.flatMap((call) => call.events).map((event) => [event.visitorId, event.userId])).toEqual([["", ""], ["", "u-42"]]);
  expect(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([0, 0, ""]);
});

for (const [signal, script] of [
  ["Do Not Track", "Object.defineProperty(navigator, 'doNotTrack', { value: '1' })"],
  ["Global Privacy Control", "Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })"],
] as const)
  test(`${signal} is respected where the site says so`, async ({ server, context }) => {
    let attributes = "data-respect-dnt";
    page_ = (path) => (path.startsWith("/js/") ? undefined : html("Quiet", tag(server, attributes)));
    await context.addInitScript(script);
    const calls = watchCalls(context);
    const page = await open(context);
    await click(page, 1, 3);
    await page.waitForTimeout(300);
    expect(calls).toEqual([]);
    expect(await page.evaluate(() => Object.keys(localStorage))).not.toContainEqual(expect.stringMatching(/^pistats:\w{32}/));
    attributes = "";
    await page.reload();
    await expect.poll(() => names(server)).toEqual(["page_view"]);
  });

test("one's own visits stay out where the browser was told so", async ({ server, context }) => {
  await context.addInitScript("localStorage['pistats:off'] = 1");
  const calls = watchCalls(context);
  const page = await open(context);
  await click(page, 1, 3);
  await page.waitForTimeout(300);
  expect([calls.length, await queued(page)]).toEqual([0, 0]);
  expect(await names(server)).toEqual([]);
});

test("a page that the browser had kept is viewed again when one comes back to it", async ({ server, context }) => {
  const page = await open(context);
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await expect.poll(() => names(server)).toEqual(["page_view", "page_view"]);
});

test("a page that is rendered ahead is viewed when it is shown", async ({ server, context }) => {
  await context.addInitScript("Object.defineProperty(document, 'prerendering', { value: true })");
  const calls = watchCalls(context);
  const page = await open(context);
  await page.waitForTimeout(300);
  expect(calls).toEqual([]);
  await page.evaluate(() => document.dispatchEvent(new Event("prerenderingchange")));
  await expect.poll(() => names(server)).toEqual(["page_view"]);
});
