// Where a write key's events may come from: pages of other origins are refused, calls, beacons and pixels alike.
import { chromium } from "@playwright/test";
import { exported } from "../lib/clients.js";
import { html, Pages, snippet } from "../lib/pages.js";
import { Proxy } from "../lib/proxy.js";
import { expect, freshName, test } from "../lib/test.js";

test("a page of a foreign origin is refused, is told so once, and nothing of it arrives", async ({ server, context }) => {
  const site = await server.site(freshName(), { origins: ["shop.example"] });
  const pages: Pages = await Pages.serve((path) => (path.startsWith("/js/") ? undefined : html("Foreign", snippet(pages.origin, site.write, `data-host="${server.url}"`))));
  const page = await context.newPage();
  const warnings: string[] = [];
  page.on("console", (message) => message.type() == "warning" && warnings.push(message.text()));
  await page.goto(pages.origin);
  await expect.poll(() => warnings).toHaveLength(1);
  expect(warnings[0]).toContain("pistats stopped:");
  expect(warnings[0]).toContain(pages.host);
  await page.evaluate(() => (window as any).pistats("click"));
  await page.waitForTimeout(300);
  expect(warnings).toHaveLength(1);
  expect(await exported(server.url, site.read)).toEqual([]);
  await pages.close();
});

test("the beacon path refuses a foreign origin with 403 and a sentence, and takes an allowed one", async ({ server, context }) => {
  const pages = await Pages.serve(() => html("Beacon", ""));
  const page = await context.newPage();
  await page.goto(pages.origin);
  /** An event of nothing but a visitor: CollectRequest { events: [{ visitor_id: "v" }] }. */
  const post = (key: string) =>
    page.evaluate(
      async ([url, key]) => {
        const body = new Blob([new Uint8Array([0x0a, 0x03, 0x22, 0x01, 0x76])], { type: "text/plain" });
        const response = await fetch(`${url}/collect?key=${key}`, { method: "POST", body });
        return [response.status, await response.text()] as const;
      },
      [server.url, key] as const,
    );
  const foreign = await server.site(freshName(), { origins: ["shop.example"] });
  const [status, text] = await post(foreign.write);
  expect(status).toBe(403);
  expect(text).toContain(pages.host);
  const mine = await server.site(freshName(), { origins: [pages.host] });
  expect((await post(mine.write))[0]).toBe(204);
  await expect.poll(() => exported(server.url, mine.read)).toHaveLength(1);
  expect(await exported(server.url, foreign.read)).toEqual([]);
  await pages.close();
});

test("a page without scripts is counted by the pixel; on a foreign origin it is not", async ({ server, browser }) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  let key = "";
  const pages: Pages = await Pages.serve((path) => html(`Page ${path}`, "", `<noscript><img src="${server.url}/pixel.gif?key=${key}" alt="" referrerpolicy="no-referrer-when-downgrade"></noscript>`));
  const foreign = await server.site(freshName(), { origins: ["shop.example"] });
  const mine = await server.site(freshName(), { origins: [pages.host] });
  const told: string[] = [];
  page.on("response", (response) => response.url().includes("/pixel.gif") && told.push(`${response.status()} ${response.headers()["x-pistats"]?.split(":")[0]}`));
  for (key of [foreign.write, mine.write]) await page.goto(`${pages.origin}/plain`);
  await expect.poll(() => told).toEqual(["200 refused", "200 accepted"]);
  await expect.poll(async () => (await exported(server.url, mine.read)).map(({ name, url }) => [name, url])).toEqual([["page_view", `${pages.origin}/plain`]]);
  expect(await exported(server.url, foreign.read)).toEqual([]);
  await context.close();
  await pages.close();
});

test("a cookieless site tells visitors apart without any id, by call and beacon alike, and stores nothing in the browser", async ({ server, launchOptions }) => {
  const site = await server.site(freshName(), { cookieless: true });
  const proxy = await Proxy.serve(server.url);
  const pages: Pages = await Pages.serve((path) => (path.startsWith("/js/") ? undefined : html("Cookieless", snippet(pages.origin, site.write, `data-host="${proxy.origin}" data-cookieless`))));
  const agents = ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15"];
  for (const agent of agents) {
    // A browser of its own: where only a page's name is changed, the beacon of a page that is being left has the browser's.
    const browser = await chromium.launch({ ...launchOptions, args: [...(launchOptions.args ?? []), `--user-agent=${agent}`] });
    const page = await browser.newPage();
    await page.goto(pages.origin);
    await page.evaluate(() => (window as any).pistats("click"));
    await page.goto(`${pages.origin}/next`);
    await expect.poll(() => page.evaluate(() => localStorage.length)).toBe(0);
    await expect.poll(async () => (await exported(server.url, site.read)).length).toBe(agents.indexOf(agent) * 4 + 3);
    // The last event has the beacon alone.
    proxy.hangsCalls = true;
    await page.evaluate(() => (window as any).pistats("click"));
    const closed = page.waitForEvent("close");
    await page.close({ runBeforeUnload: true });
    await closed;
    await expect.poll(async () => (await exported(server.url, site.read)).length).toBe(agents.indexOf(agent) * 4 + 4);
    proxy.hangsCalls = false;
    await browser.close();
  }
  // Both ways of sending were there, and each visitor is the same by both.
  expect(new Set(proxy.received.map(({ kind, headers }) => `${kind} ${headers["user-agent"]}`)).size).toBe(4);
  expect(proxy.received.flatMap(({ events }) => events).every(({ visitorId }) => visitorId === "")).toBe(true);
  const visitors = (await exported(server.url, site.read)).map(({ visitor }) => visitor);
  expect(new Set(visitors).size).toBe(2);
  await pages.close();
  await proxy.close();
});
