// Leaving a page: the tab is closed, a link is followed, the net is away. Nothing is lost, nothing counts twice.
import type { BrowserContext, Page } from "@playwright/test";
import { exported } from "../lib/clients.js";
import { html, Pages, snippet } from "../lib/pages.js";
import { Proxy } from "../lib/proxy.js";
import type { Server, Site } from "../lib/server.js";
import { expect, freshName, test } from "../lib/test.js";

let pages: Pages;
let site: Site;
/** Where the page's tracker sends to. */
let through: string;

test.beforeEach(async ({ server }) => {
  site = await server.site(freshName());
  through = server.url;
  pages = await Pages.serve((path) =>
    path.startsWith("/js/")
      ? undefined
      : html(`Page ${path}`, snippet(pages.origin, site.write, `data-host="${through}"`), `<a href="/next" onclick="pistats('click', { props: { n: 1 } })">next</a>`),
  );
});
test.afterEach(() => pages?.close());

const open = async (context: BrowserContext): Promise<Page> => {
  const page = await context.newPage();
  await page.goto(pages.origin);
  return page;
};

/** Tells clicks and closes the tab in the same breath, as a person's hand on the keyboard may. */
const clickAndClose = async (page: Page, first: number, last: number): Promise<void> => {
  await page.evaluate(
    ([first, last]) => {
      for (let n = first; n <= last; n++) (window as any).pistats("click", { props: { n } });
    },
    [first, last] as const,
  );
  const closed = page.waitForEvent("close");
  await page.close({ runBeforeUnload: true });
  await closed;
};

const clicks = async (server: Server): Promise<number[]> => {
  const events = await exported(server.url, site.read);
  return events.flatMap((event) => (event.name == "click" ? [Number(event.properties["n"])] : [])).sort((a, b) => a - b);
};
const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

test("a tab that is closed right after its clicks has told them, and the next page counts none twice", async ({ server, context }) => {
  await clickAndClose(await open(context), 1, 10);
  await expect.poll(() => clicks(server)).toEqual(upTo(10));
  // The next page sends what no answer acknowledged, with the same ids.
  const next = await open(context);
  await expect.poll(() => next.evaluate(() => Object.keys(localStorage).filter((name) => /^pistats:\w{32}:/.test(name)).length)).toBe(0);
  await next.waitForTimeout(300);
  expect(await clicks(server)).toEqual(upTo(10));
});

test("what calls cannot carry any more goes by one beacon of plain text", async ({ server, context }) => {
  const proxy = await Proxy.serve(server.url);
  through = proxy.origin;
  const page = await open(context);
  await expect.poll(() => exported(server.url, site.read)).toHaveLength(1);
  // Calls hang from now on, as they do when the page is gone before they begin.
  proxy.hangsCalls = true;
  await clickAndClose(page, 1, 3);
  await expect.poll(() => clicks(server)).toEqual(upTo(3));
  const [beacon, ...more] = proxy.beacons;
  expect(more).toEqual([]);
  expect(beacon?.headers["content-type"]).toBe("text/plain");
  expect(beacon?.headers["origin"]).toBe(pages.origin);
  expect(beacon?.status).toBe(204);
  expect(beacon?.events.map(({ name, properties }) => `${name} ${properties["n"]}`)).toEqual(["click 1", "click 2", "click 3"]);
  // A preflight would not have finished.
  expect(proxy.preflights).toBe(0);
  await proxy.close();
});

test("an event told while a link is followed arrives once", async ({ server, context }) => {
  const page = await open(context);
  await page.getByRole("link").click();
  await expect(page).toHaveTitle("Page /next");
  await expect.poll(async () => (await exported(server.url, site.read)).map(({ name, url }) => `${name} ${url.replace(pages.origin, "")}`)).toEqual(["page_view /", "click /", "page_view /next"]);
  await page.waitForTimeout(300);
  expect(await clicks(server)).toEqual([1]);
});

test("a tab that is closed while offline has kept its events for the next page", async ({ server, context }) => {
  const page = await open(context);
  await expect.poll(() => exported(server.url, site.read)).toHaveLength(1);
  await context.setOffline(true);
  await clickAndClose(page, 1, 5);
  await context.setOffline(false);
  expect(await clicks(server)).toEqual([]);
  await open(context);
  await expect.poll(() => clicks(server)).toEqual(upTo(5));
});

test("a page that is hidden and shown again tells each event once", async ({ server, context }) => {
  const page = await open(context);
  await page.evaluate(async () => {
    const show = (hidden: boolean) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    };
    for (let n = 1; n <= 20; n++) {
      (window as any).pistats("click", { props: { n } });
      show(true);
      show(false);
      await new Promise((done) => setTimeout(done, 10));
    }
  });
  await expect.poll(() => clicks(server)).toEqual(upTo(20));
  await page.waitForTimeout(300);
  expect(await clicks(server)).toEqual(upTo(20));
});
