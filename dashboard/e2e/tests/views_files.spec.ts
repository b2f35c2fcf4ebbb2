// Every number on the screen can be taken along as CSV and as JSON: each part of a view that has numbers has the button, and what it
// gives is what is shown.
import { expect, freshName, test } from "../lib/test.js";
import { openAsOperator, send, siteRow, taken, whole } from "../lib/views.js";

const lines = (csv: string) => csv.replace("\ufeff", "").trim().split("\r\n");

test("what views show is in their files: live lists, all sites, the pipeline", async ({ page, server }) => {
  const site = await server.site(freshName("files"));
  const visit = (visitor: number) => ({ visitor: `v${visitor}`, url: `https://a.test/${visitor % 2}`, referrer: "https://www.google.com/", topics: ["tea"], country: "DE" });
  await send(server, site, Array.from({ length: 5 }, (_, at) => visit(at)));
  await openAsOperator(page, server, site, "/live");
  await expect(page.locator('[data-card="page"] .row')).toHaveCount(2);
  expect(lines(await taken(page, "Pages now", "CSV"))).toEqual(["page,visitors", "a.test/0,3", "a.test/1,2"]);
  expect(JSON.parse(await taken(page, "Sources now", "JSON"))).toEqual([{ source: "Google", visitors: 5 }]);
  expect(JSON.parse(await taken(page, "Countries now", "JSON"))).toEqual([{ country: "DE", visitors: 5 }]);
  expect(lines(await taken(page, "trending topics", "CSV"))).toEqual(["topic,events_a_minute,usual_a_minute,score", expect.stringMatching(/^tea,/)]);
  expect(lines(await taken(page, "the last 30 minutes", "CSV"))).toHaveLength(31);

  await page.goto(`${server.url}/sites?range=today&site=${site.name}`);
  const row = await siteRow(page, site);
  await expect(row.locator("td").nth(1)).toContainText("5");
  const own = (JSON.parse(await taken(page, "all sites", "JSON")) as Record<string, unknown>[]).find((each) => each["site"] === site.name);
  expect(own).toMatchObject({ current_visitors: 5, visitors: 5, page_views: 5, bounce_rate: 1 });

  await page.goto(`${server.url}/pipeline?site=${site.name}`);
  await expect(page.locator('section[aria-label="Partitions"] tbody tr')).toHaveCount(8);
  expect(lines(await taken(page, "partitions", "CSV"))).toHaveLength(9);
  expect((JSON.parse(await taken(page, "the pipeline", "JSON")) as { what: string }[]).map(({ what }) => what)).toEqual(expect.arrayContaining(["Fresh to", "Lag", "Duplicates removed"]));
  expect(lines(await taken(page, "drops", "CSV"))[0]).toBe("reason,events");
});

test("every part of a view that has numbers can be taken along", async ({ page, server }) => {
  const site = await server.site(freshName("parts"));
  await send(server, site, [{ visitor: "a", url: "https://a.test/", name: "page_view" }, { visitor: "a", url: "https://a.test/", name: "signup" }]);
  const step = (filter: string) => `step=${encodeURIComponent(JSON.stringify([filter]))}`;
  for (const address of ["/?range=today", "/?range=today&list=page", "/live", "/retention?range=today&by=day", `/funnels?range=today&${step("event_name=page_view")}`, "/journeys?range=today", "/sites?range=today", "/pipeline"]) {
    await openAsOperator(page, server, site, address);
    await expect(page.locator(".waiting"), address).toHaveCount(0, { timeout: 20_000 });
    const without = await page.locator("section.card").evaluateAll((cards) => cards.filter((card) => card.querySelector(".num, .row, table") && !card.querySelector(".downloads")).map((card) => card.getAttribute("aria-label")));
    expect(without, `${address}: ${whole(without.length)} parts`).toEqual([]);
  }
});
