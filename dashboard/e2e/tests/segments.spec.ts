// Segments as a person makes them: by clicking, with a live count that equals what counting the events by hand gives.
import type { Locator, Page } from "@playwright/test";
import type { Site } from "../lib/server.js";
import { expect, freshName, test } from "../lib/test.js";
import { openAsOperator, openWithKey, rows, send, total, whole, type Sent } from "../lib/views.js";

const DAY = 86_400_000;

/** Eight weeks of 160 visitors, the same in every run but for the clock. */
function history(): Sent[] {
  let seed = 7;
  const dice = (below: number) => ((seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) >>> 16) % below;
  const events: Sent[] = [];
  for (let visitor = 0; visitor < 160; visitor++) {
    const country = ["DE", "FR", "US"][dice(3)] ?? "US";
    for (let count = 1 + dice(12); count > 0; count--) {
      // Some minutes past an hour, so that no event lies at a midnight.
      const ago = dice(56) * DAY + (1 + dice(20)) * 60_000;
      const name = ["page_view", "page_view", "add_to_cart", "purchase"][dice(4)] ?? "page_view";
      events.push({ visitor: `v${visitor}`, ago, name, url: `https://a.test/${["", "shop", "shop/green"][dice(3)]}`, country });
    }
  }
  return events;
}

/** Local days before today, in UTC, which the sites of these tests have. */
function daysAgo(event: Sent, now: number): number {
  return Math.floor(now / DAY) - Math.floor((now - (event.ago ?? 0)) / DAY);
}

function byVisitor(events: Sent[]): Map<string, Sent[]> {
  const found = new Map<string, Sent[]>();
  for (const event of events) found.set(event.visitor, [...(found.get(event.visitor) ?? []), event]);
  return found;
}

const count = (page: Page) => page.locator(".size-number");
const clause = (page: Page, number: number) => page.getByRole("group", { name: `Clause ${number}`, exact: true });

/** Makes a condition with the form of a chip. */
async function condition(row: Locator, button: string | RegExp, what: string, how: string, value: string): Promise<void> {
  await row.getByRole("button", { name: button }).click();
  await row.getByLabel("What", { exact: true }).selectOption({ label: what });
  await row.getByLabel("How", { exact: true }).selectOption({ label: how });
  await row.getByRole("combobox", { name: "Value" }).fill(value);
  await row.getByRole("button", { name: /^(Add|Change)$/ }).click();
}

async function addClause(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "Clause", exact: true }).last().click();
  await page.getByRole("button", { name: new RegExp(`^${name}`) }).click();
}

async function withHistory(server: Parameters<typeof openAsOperator>[1], hint: string): Promise<{ site: Site; events: Sent[]; now: number }> {
  const site = await server.site(freshName(hint));
  const events = history();
  const now = Date.now();
  await send(server, site, events);
  return { site, events, now };
}

test("a segment of three clauses is built by clicking, its count is that of the events counted by hand, and it moves by itself", async ({ page, server }) => {
  const { site, events, now } = await withHistory(server, "built");
  await openAsOperator(page, server, site, "/segments");
  await page.getByRole("link", { name: "Segment", exact: true }).click();

  // Bought at least twice, ever.
  await condition(clause(page, 1), "anything: choose", "Event", "is", "purchase");
  await clause(page, 1).getByLabel("Times").fill("2");
  await clause(page, 1).getByLabel("In which time").selectOption("ever");
  const visitors = [...byVisitor(events).values()];
  const bought = (own: Sent[]) => own.filter(({ name }) => name === "purchase").length >= 2;
  await expect(count(page)).toHaveText(whole(visitors.filter(bought).length));

  // Last seen within 21 days.
  await addClause(page, "Was seen");
  await clause(page, 2).getByRole("spinbutton", { name: "Days" }).fill("21");
  const seen = (own: Sent[]) => own.some((event) => daysAgo(event, now) < 21);
  await expect(count(page)).toHaveText(whole(visitors.filter((own) => bought(own) && seen(own)).length));

  // Not those whose latest event came from Germany.
  await addClause(page, "Is like this now");
  await expect(clause(page, 3).getByRole("alert")).toBeVisible();
  await condition(clause(page, 3), /Country/, "Country", "is", "DE");
  await clause(page, 3).getByLabel("Whether it holds").selectOption("not");
  const latest = (own: Sent[]) => own.reduce((newest, event) => ((event.ago ?? 0) < (newest.ago ?? 0) ? event : newest)).country;
  const expected = visitors.filter((own) => bought(own) && seen(own) && latest(own) !== "DE").length;
  expect(expected).toBeGreaterThan(5);
  expect(expected).toBeLessThan(visitors.length / 2);
  await expect(count(page)).toHaveText(whole(expected));
  await expect(page.locator(".sentence")).toHaveText('Visitors who did "purchase" at least 2 times, and who were last seen in the last 21 days, and not (whose latest country is "DE").');
  await expect(page.locator(".people li")).toHaveCount(Math.min(12, expected));
  await page.getByText("Its SQL").click();
  await expect(page.getByLabel("SQL", { exact: true })).toContainText("SELECT");
  await expect(page.locator(".sql-values")).toContainText("purchase");

  // What is being edited survives a reload: it stands in the address.
  await page.reload();
  await expect(count(page)).toHaveText(whole(expected));
  // Somebody who comes to it while it is edited is counted.
  await send(server, site, [{ visitor: "new", name: "purchase", country: "FR" }, { visitor: "new", name: "purchase", country: "FR", ago: 60_000 }]);
  await expect(count(page)).toHaveText(whole(expected + 1));

  await page.getByLabel("Name", { exact: true }).fill("Good customers");
  await page.getByRole("button", { name: "Keep the segment" }).click();
  await expect(page.getByRole("heading", { name: "Good customers" })).toBeVisible();
  await expect(total(page, "Size")).toHaveText(whole(expected + 1));
  // The size at the end of each day before, as it would have been seen then.
  const chart = page.getByRole("application", { name: /^Size/ });
  await expect(page.getByText("At the end of each day.")).toBeVisible();
  await chart.press("End");
  await expect(chart.getByRole("status")).toContainText(`Size: ${whole(expected + 1)} so far`);
  const past: number[] = [];
  for (let back = 1; back < 30; back++) {
    const until = (own: Sent[]) => own.filter((event) => daysAgo(event, now) >= back);
    const seenThen = (own: Sent[]) => own.some((event) => daysAgo(event, now) < back + 21);
    const size = visitors.map(until).filter((own) => own.length > 0 && bought(own) && seenThen(own) && latest(own) !== "DE").length;
    await chart.press("ArrowLeft");
    await expect(chart.getByRole("status")).toContainText(new RegExp(`Size: ${whole(size)}(?!\\d)`));
    await expect(chart.getByRole("status")).not.toContainText("so far");
    past.push(size);
  }
  expect(new Set(past).size).toBeGreaterThan(5);
  await send(server, site, [{ visitor: "newer", name: "purchase", country: "US" }, { visitor: "newer", name: "purchase", country: "US", ago: 60_000 }]);
  await expect(total(page, "Size")).toHaveText(whole(expected + 2));
  await expect(total(page, "Entered")).toHaveText("1");
  // Whose latest event comes from Germany now leaves.
  await send(server, site, [{ visitor: "new", name: "page_view", country: "DE" }]);
  await expect(total(page, "Size")).toHaveText(whole(expected + 1));
  await expect(total(page, "Left")).toHaveText("1");
  await expect(page.locator(".turns li").first()).toContainText("by what they did");
});

test("a fault stands at the row that it is about, in a group within a group too, and nothing is kept with it", async ({ page, server }) => {
  const { site } = await withHistory(server, "faults");
  await openAsOperator(page, server, site, "/segments?segment=new");
  await expect(count(page)).toBeVisible();
  await addClause(page, "A group");
  const inside = page.locator('[data-path="root.all.nodes[1].any.nodes[0]"]');
  await inside.getByLabel("Last days").fill("4000");
  await expect(inside.getByRole("alert")).toContainText("3660");
  await expect(clause(page, 1).first().getByRole("alert")).toHaveCount(0);
  await inside.getByLabel("Whether it holds").selectOption("not");
  await expect(inside.getByRole("alert")).toContainText("3660");
  await page.getByLabel("Name", { exact: true }).fill("Wrong");
  await page.getByRole("button", { name: "Keep the segment" }).click();
  await expect(page.getByText("It was not kept")).toBeVisible();
  await inside.getByLabel("Last days").fill("40");
  await expect(page.locator(".clause.is-guilty")).toHaveCount(0);
  await page.getByRole("button", { name: "Keep the segment" }).click();
  await expect(page.getByRole("heading", { name: "Wrong" })).toBeVisible();
});

test("a starter is taken, kept, used in another segment, which both say; and is not deleted while it is used", async ({ page, server }) => {
  const { site, events, now } = await withHistory(server, "reused");
  await openAsOperator(page, server, site, "/segments");
  await page.getByRole("link", { name: /^Buyers/ }).click();
  const buyers = [...byVisitor(events).values()].filter((own) => own.some((event) => event.name === "purchase" && daysAgo(event, now) < 30)).length;
  await expect(count(page)).toHaveText(whole(buyers));
  await page.getByLabel("Name", { exact: true }).fill("Buyers");
  await page.getByRole("button", { name: "Keep the segment" }).click();
  await page.getByRole("link", { name: "All segments" }).click();
  await page.getByRole("link", { name: "Segment", exact: true }).click();
  await page.getByRole("button", { name: "Remove clause 1" }).click();
  await addClause(page, "Is in another segment");
  await expect(clause(page, 1).getByRole("alert")).toBeVisible();
  await clause(page, 1).getByLabel("Segment").selectOption({ label: "Buyers" });
  await clause(page, 1).getByLabel("Whether it holds").selectOption("not");
  await expect(count(page)).toHaveText(whole(160 - buyers));
  await page.getByLabel("Name", { exact: true }).fill("Everybody else");
  await page.getByRole("button", { name: "Keep the segment" }).click();
  await expect(page.locator(".sentence")).toContainText('not (who are in the segment "Buyers")');
  await page.getByRole("link", { name: "All segments" }).click();
  await page.getByRole("link", { name: /^Buyers.*used in 1 segment/ }).click();
  await expect(page.getByText("Used in 1 segment:")).toContainText("Everybody else");
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete it for good?" }).click();
  await expect(page.getByRole("alert")).toContainText("Everybody else");
  // Changed, it is a new version, and its numbers are others at once.
  await page.getByRole("link", { name: "Change" }).click();
  await clause(page, 1).getByLabel("In which time").selectOption("ever");
  await page.getByRole("button", { name: "Keep the change" }).click();
  await expect(page.getByText("Version 2")).toBeVisible();
});

test("filters become a segment of the same people, and a segment is a filter of every report", async ({ page, server }) => {
  const { site } = await withHistory(server, "filtered");
  await openAsOperator(page, server, site, "/?range=30d&f=event_name%3Dpurchase&f=country%3DFR");
  await expect(total(page, "visitors")).toHaveText(/^[1-9]\d*$/);
  const filtered = await total(page, "visitors").innerText();
  await page.getByRole("link", { name: "Save as segment" }).click();
  await expect(count(page)).toHaveText(filtered);
  await page.getByLabel("Name", { exact: true }).fill("French buyers");
  await page.getByRole("button", { name: "Keep the segment" }).click();
  await expect(total(page, "Size")).toHaveText(filtered);
  await page.getByRole("link", { name: "See their numbers" }).click();
  await expect(page.locator(".chip").last()).toContainText("Segment is French buyers");
  await page.getByRole("button", { name: /Remove filter: Event/ }).click();
  await page.getByRole("button", { name: /Remove filter: Country/ }).click();
  await expect(page.locator(".chip")).toHaveCount(1);
  await expect(total(page, "visitors")).toHaveText(filtered);
  expect((await rows(page, "places")).map(([country]) => country)).toContain("France");
  // The back button, and the address alone, in another tab.
  const shared = await page.context().newPage();
  await shared.goto(page.url());
  await expect(shared.locator(".chip")).toContainText("Segment is French buyers");
  await expect(total(shared, "visitors")).toHaveText(filtered);
  // What segments cannot say is told, and is no button that does something else.
  await page.goto(`${server.url}/?range=30d&f=page!~shop&site=${site.name}`);
  await expect(page.getByRole("button", { name: "Save as segment" })).toBeDisabled();
});

test("a click on a cell of the retention grid opens exactly its people", async ({ page, server }) => {
  const { site } = await withHistory(server, "cell");
  await openAsOperator(page, server, site, "/retention?range=30d&by=week");
  const cells = page.locator(".heat tbody tr:not(.mean) .heat-cell a");
  await expect(cells.first()).toBeVisible();
  const addresses = await cells.evaluateAll((all) => all.map((one) => [(one as HTMLAnchorElement).href, one.querySelector(".sr-only")?.textContent?.replace(/\D/g, "") ?? ""] as const));
  expect(addresses.length).toBeGreaterThan(5);
  await cells.nth(1).click();
  await expect(count(page)).toHaveText(addresses[1]?.[1] ?? "");
  // Every cell, not only the one that was clicked; for people who came again, too.
  for (const [address, people] of addresses) {
    await page.goto(address);
    await expect(count(page)).toHaveText(people);
  }
  await page.goto(`${server.url}/retention?range=30d&by=week&mode=recurring&start=event_name%3Dpurchase&site=${site.name}`);
  const again = cells.nth(2);
  await expect(again).toBeVisible();
  const people = ((await again.locator(".sr-only").textContent()) ?? "").replace(/\D/g, "");
  await again.click();
  await expect(count(page)).toHaveText(people);
});

test("with a read key alone segments are shown and counted, and keeping says what it needs", async ({ page, server }) => {
  const { site, events, now } = await withHistory(server, "reader");
  await openWithKey(page, server, site, "/segments?segment=new");
  await expect(count(page)).toHaveText(whole([...byVisitor(events).values()].filter((own) => own.some((event) => daysAgo(event, now) < 30)).length));
  await page.getByLabel("Name", { exact: true }).fill("Mine");
  await page.getByRole("button", { name: "Keep the segment" }).click();
  await expect(page.getByRole("alert")).toContainText("instance key");
});
