// `pistats serve --demo` as somebody has it who tries piStats: the link that it prints opens a dashboard in which every view is
// alive, and the shop that it serves carries the real tracker.
import { expect, test } from "@playwright/test";
import { Server } from "../lib/server.js";
import { rows, total } from "../lib/views.js";

/** The past of three months is sent in the background; on a machine that does other things, too, it takes its time. */
const PAST_MS = 180_000;

let server: Server;
test.beforeAll(async () => {
  test.setTimeout(120_000);
  server = await Server.start({ demo: true });
});
test.afterAll(() => server.stop());

const number = (text: string) => Number(text.replace(/\D/g, ""));

test("the printed link opens it, every view is alive, and what is bought in its shop is on the dashboard without reload", async ({ page, context }) => {
  test.setTimeout(2 * PAST_MS + 180_000);
  const link = /https?:\/\/\S+#sign-in=\S+/.exec(server.printed)?.[0] ?? "";
  await page.goto(link);
  await expect(page.locator(".site-picker select")).toHaveValue("demo");
  await expect.poll(() => page.locator(".site-picker option").allTextContents()).toEqual(["demo", "demo-magazine"]);

  // The past is there, to its first week.
  await page.goto(`${server.url}/?range=30d&site=demo`);
  await expect.poll(async () => number(await total(page, "visitors").innerText()), { timeout: PAST_MS }).toBeGreaterThan(1_000);
  for (const card of ["sources", "pages", "places", "devices", "events"]) expect((await rows(page, card)).length, card).toBeGreaterThan(2);

  // People are there, and move: visitors of now come when those of the past have been sent.
  await page.goto(`${server.url}/live?site=demo`);
  await expect.poll(async () => number(await total(page, "Current visitors").innerText()), { timeout: PAST_MS }).toBeGreaterThan(0);
  const before = await page.locator('[data-metric="Events in 30 minutes"] .total-number').innerText();
  await expect(total(page, "Events in 30 minutes")).not.toHaveText(before, { timeout: 60_000 });
  for (const card of ["page", "source", "country"]) expect((await rows(page, card)).length, card).toBeGreaterThan(0);

  // Somebody buys in its shop, and the open dashboard shows it.
  await page.goto(`${server.url}/?range=today&site=demo&f=property%3Adelivery%3Dbicycle&f=event_name%3Dpurchase&metric=events`);
  await expect(total(page, "events")).toBeVisible();
  const bought = number(await total(page, "events").innerText());
  const shop = await context.newPage();
  await shop.goto(`${server.url}/shop/p/green-terrace`);
  await shop.getByRole("button", { name: "Add to cart" }).click();
  await shop.getByRole("link", { name: /^Cart/ }).click();
  await shop.getByRole("link", { name: "Check out" }).click();
  await shop.getByLabel("Name").fill("Ada");
  await shop.getByLabel("Street and town").fill("Here");
  await shop.getByRole("button", { name: /^Order for/ }).click();
  await expect(shop.getByRole("heading", { level: 1 })).toHaveText("Thank you");
  await page.bringToFront();
  await expect.poll(async () => number(await total(page, "events").innerText())).toBeGreaterThan(bought);

  // The rest of the views, each with something in it.
  for (const [view, place] of [
    ["/retention?range=30d", ".heat tbody tr"],
    ["/funnels?range=7d&step=%5B%22event_name%3Dpage_view%22%5D&step=%5B%22event_name%3Dadd_to_cart%22%5D&step=%5B%22event_name%3Dpurchase%22%5D", "[data-step='3'] .funnel-count"],
    ["/journeys?range=today", ".visit"],
    ["/sites?range=7d", ".sites tbody tr:nth-child(2)"],
    ["/pipeline", 'section[aria-label="Partitions"] tbody tr:nth-child(8)'],
    ["/setup", ".first-event.is-there"],
    ["/segments", ".starter"],
  ] as const) {
    await page.goto(`${server.url}${view}${view.includes("?") ? "&" : "?"}site=demo`);
    await expect(page.locator(place).first(), view).toBeVisible({ timeout: 20_000 });
  }
  await page.goto(`${server.url}/segments?site=demo`);
  await page.getByRole("link", { name: /^Buyers/ }).click();
  await expect.poll(async () => number(await page.locator(".size-number").innerText())).toBeGreaterThan(10);
});
