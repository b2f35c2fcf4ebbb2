// Campaigns as a person sends them: written, previewed, tried, scheduled, seen going out, held and ended. The push service is a
// stand-in that decrypts what it gets.
import type { Page } from "@playwright/test";
import { PushService } from "../lib/push_service.js";
import { Server, type Site } from "../lib/server.js";
import { expect, freshName, test } from "../lib/test.js";
import { openAsOperator, send, total } from "../lib/views.js";

let server: Server;
let service: PushService;
let site: Site;

test.beforeAll(async () => {
  test.setTimeout(120_000);
  server = await Server.start({ settings: { PISTATS_PUSH__CONTACT: "mailto:ops@example.org", PISTATS_PUSH__TEST_ALLOW_LOOPBACK_ENDPOINTS: "true" } });
});
test.afterAll(() => server?.stop());

/** Four visitors with a subscription, of whom two bought something, and one without. */
test.beforeEach(async () => {
  service = await PushService.serve();
  site = await server.site(freshName("campaigns"));
  await send(server, site, ["a", "b", "c", "d", "e"].map((visitor, at) => ({ visitor, name: at < 2 ? "purchase" : "page_view", url: "https://a.test/" })));
  for (const visitorId of ["a", "b", "c", "d"]) await server.as(site.write).push.subscribe({ subscription: service.subscription(), visitorId, timeZone: "UTC" });
});
test.afterEach(() => service?.close());

async function buyers(page: Page): Promise<void> {
  await openAsOperator(page, server, site, "/segments");
  await page.getByRole("link", { name: /^Buyers/ }).click();
  await expect(page.locator(".size-number")).toHaveText("2");
  await page.getByLabel("Name", { exact: true }).fill("Buyers");
  await page.getByRole("button", { name: "Keep the segment" }).click();
}

async function write(page: Page, name: string, title: string): Promise<void> {
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Title", { exact: true }).fill(title);
  await page.getByRole("checkbox", { name: "Keep quiet" }).uncheck();
}

const state = (page: Page) => page.getByRole("region", { name: "Campaign", exact: true }).getByRole("status");

test("a campaign to a segment is written, previewed, scheduled and sent; its results and clicks come in by themselves", async ({ page }) => {
  test.setTimeout(180_000);
  await buyers(page);
  await page.getByRole("link", { name: "Send them a message" }).click();
  await write(page, "Thanks", "Thank you");
  await page.getByLabel("Text", { exact: true }).fill("For what you bought.");
  await page.getByLabel("Opens", { exact: true }).fill("https://a.test/thanks");
  await expect(page.getByRole("img", { name: "The message as it will look" })).toContainText("For what you bought.");
  await expect(page.locator(".size-number")).toHaveText("2");
  await expect(page.locator(".size")).toContainText("of 2 in the segment");
  await page.getByLabel("When it is sent").selectOption({ label: "At a time" });
  // The next whole minute that is still to come when it is started.
  const due = new Date(Math.ceil((Date.now() + 8_000) / 60_000) * 60_000);
  await page.getByLabel("Time in UTC", { exact: true }).fill(due.toISOString().slice(0, 16));
  await page.getByRole("button", { name: "Keep as draft" }).click();
  await expect(state(page)).toHaveText("draft");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("button", { name: "Start it to 2?" }).click();
  await expect(state(page)).toHaveText("scheduled");
  expect(service.received).toEqual([]);
  await expect(total(page, "Accepted")).toHaveText("2", { timeout: 90_000 });
  await expect(state(page)).toHaveText("done");
  expect(Date.now()).toBeGreaterThanOrEqual(due.getTime());
  const id = /campaign=(\w{32})/.exec(page.url())?.[1];
  expect(service.received.map(({ to }) => to).sort()).toEqual([0, 1]);
  for (const { told } of service.received) expect(told).toEqual({ title: "Thank you", body: "For what you bought.", icon: "", url: "https://a.test/thanks", tag: "", campaign: id });
  await send(server, site, [{ visitor: "a", name: "push_click", url: "https://a.test/thanks", properties: { campaign: id ?? "" } }]);
  await page.reload();
  await expect(total(page, "Clicked")).toHaveText("1");
  await page.getByRole("link", { name: "Buyers" }).click();
  await expect(page.getByText("Used in 1 campaign: Thanks.")).toBeVisible();
});

test("a message is tried on oneself, counts in no campaign, and a wrong address stands at its field", async ({ page }) => {
  await openAsOperator(page, server, site, "/campaigns?campaign=new");
  await write(page, "Try", "Only me");
  await expect(page.locator(".size-number")).toHaveText("4");
  await page.getByLabel("Opens", { exact: true }).fill("http://a.test/");
  await expect(page.locator('[data-field="content.message.url"]').getByRole("alert")).toContainText("https");
  await page.getByLabel("Opens", { exact: true }).fill("https://a.test/");
  await expect(page.locator('[data-field="content.message.url"]').getByRole("alert")).toHaveCount(0);
  const own = page.getByRole("region", { name: "Test", exact: true });
  await own.getByLabel("Visitor id").fill("c");
  await own.getByRole("button", { name: "Send", exact: true }).click();
  await expect.poll(() => service.received.map(({ to, told }) => [to, told.title, told.campaign])).toEqual([[2, "Only me", ""]]);
  await own.getByLabel("Visitor id").fill("e");
  await own.getByRole("button", { name: "Send", exact: true }).click();
  await expect(own.getByRole("status")).toHaveClass("problem");
  expect(service.received).toHaveLength(1);
});

test("one that is under way is held, goes on, and is ended for good; what became of each is said", async ({ page }) => {
  service.answers.set(3, 410);
  await openAsOperator(page, server, site, "/campaigns?campaign=new");
  await write(page, "Tomorrow", "Not yet");
  await page.getByLabel("When it is sent").selectOption({ label: "At a time" });
  await page.getByLabel("Time in UTC", { exact: true }).fill(new Date(Date.now() + 86_400_000).toISOString().slice(0, 16));
  await page.getByRole("button", { name: "Keep as draft" }).click();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("button", { name: "Start it to 4?" }).click();
  await expect(state(page)).toHaveText("scheduled");
  await page.getByRole("button", { name: "Pause" }).click();
  await expect(state(page)).toHaveText("paused");
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(state(page)).toHaveText("scheduled");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("button", { name: "Cancel it for good?" }).click();
  await expect(state(page)).toHaveText("cancelled");
  expect(service.received).toEqual([]);

  await page.getByRole("link", { name: "All campaigns" }).click();
  await page.getByRole("link", { name: "Campaign", exact: true }).click();
  await write(page, "Now", "At once");
  await page.getByRole("button", { name: "Keep as draft" }).click();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("button", { name: "Start it to 4?" }).click();
  await expect(state(page)).toHaveText("done", { timeout: 30_000 });
  await expect(total(page, "Accepted")).toHaveText("3");
  await expect(total(page, "Not sent")).toHaveText("1");
  await expect(page.getByText("no subscription left")).toBeVisible();
  expect(service.received.map(({ to }) => to).sort()).toEqual([0, 1, 2]);
  await page.getByRole("link", { name: "All campaigns" }).click();
  await expect(page.locator(".kept-line")).toHaveText([/Now.*done/, /Tomorrow.*cancelled/]);
});
