// What is done on a page elsewhere is on an open dashboard at once, without reload, each thing once.
import { exported } from "../lib/clients.js";
import { clickToScreen, told } from "../lib/live.js";
import { html, Pages, snippet } from "../lib/pages.js";
import { expect, freshName, test } from "../lib/test.js";
import { openWithKey, total } from "../lib/views.js";

test("a thousand clicks on a page of another origin are counted up on an open dashboard, each once", async ({ browser, server }) => {
  test.setTimeout(180_000);
  const site = await server.site(freshName());
  const { latencies, shown } = await clickToScreen(browser, server, site, { clicks: 1000, meanGapMs: 20 });
  console.log(`click to dashboard, while tests run: ${told(latencies)}`);
  expect(shown).toBe(1000);
  // A bound for a machine that does everything at once; the figure itself is measured by `npm run bench:live`.
  expect(latencies.every((latency) => latency > 0 && latency < 10_000)).toBe(true);
  await expect.poll(async () => (await exported(server.url, site.read)).length).toBe(1000);
});

test("the whole way: clicks, offline and back, the tab closed, and the dashboard has shown it all without reload", async ({ browser, server }) => {
  const site = await server.site(freshName());
  const pages: Pages = await Pages.serve((path) => (path.startsWith("/js/") ? undefined : html(`Page ${path}`, snippet(pages.origin, site.write, `data-host="${server.url}"`))));
  const [theirs, ours] = await Promise.all([browser.newContext(), browser.newContext()]);
  const dashboard = await ours.newPage();
  await openWithKey(dashboard, server, site, "/live");
  let loads = 0;
  dashboard.on("load", () => loads++);
  const events = total(dashboard, "Events in 30 minutes");
  await expect(events).toHaveText("0");

  const page = await theirs.newPage();
  const click = (times: number) =>
    page.evaluate((times) => {
      for (let n = 0; n < times; n++) (window as any).pistats("click");
    }, times);
  await page.goto(`${pages.origin}/one`);
  await click(3);
  await expect(events).toHaveText("4");
  await expect(total(dashboard, "Current visitors")).toHaveText("1");
  await page.evaluate(() => history.pushState(null, "", "/two"));
  await expect(events).toHaveText("5");
  await theirs.setOffline(true);
  await click(10);
  await theirs.setOffline(false);
  await expect(events).toHaveText("15");
  await click(5);
  const closed = page.waitForEvent("close");
  await page.close({ runBeforeUnload: true });
  await closed;
  await expect(events).toHaveText("20");
  await expect(dashboard).toHaveTitle(/^1\b/);
  // The next page sends again what no answer acknowledged.
  await (await theirs.newPage()).goto(`${pages.origin}/three`);
  await expect(events).toHaveText("21");
  expect(loads).toBe(0);
  // What is shown is folded; what is exported is committed, a moment later.
  const ids = async () => (await exported(server.url, site.read)).map(({ id }) => Buffer.from(id).toString("hex"));
  await expect.poll(async () => (await ids()).length).toBe(21);
  expect(new Set(await ids()).size).toBe(21);
  await Promise.all([theirs.close(), ours.close(), pages.close()]);
});

test("four tabs of the dashboard stay live at once", async ({ browser, server }) => {
  const site = await server.site(freshName());
  const context = await browser.newContext();
  const tabs = await Promise.all([1, 2, 3, 4].map(() => context.newPage()));
  for (const tab of tabs) await openWithKey(tab, server, site, "/live");
  for (const tab of tabs) await expect(total(tab, "Events in 30 minutes")).toHaveText("0");
  for (const round of [1, 2, 3]) {
    await server.as(site.write).ingest.collect({ events: [{ visitorId: `visitor ${round}` }] });
    for (const tab of tabs) await expect(total(tab, "Events in 30 minutes")).toHaveText(String(round));
  }
  // One of them goes, maybe the one that held the stream: the others go on.
  await tabs[0]?.close();
  await server.as(site.write).ingest.collect({ events: [{ visitorId: "visitor 4" }] });
  for (const tab of tabs.slice(1)) await expect(total(tab, "Events in 30 minutes")).toHaveText("4");
  await context.close();
});
