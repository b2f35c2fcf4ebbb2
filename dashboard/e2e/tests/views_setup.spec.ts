// Set-up as somebody new has it: the first site, its snippet, the first event; and what the check of a page says when none comes.
import type { Page } from "@playwright/test";
import { SiteSchema } from "../../app/src/gen/pistats/admin/v1/admin_pb.js";
import { html, Pages, snippet } from "../lib/pages.js";
import type { Server } from "../lib/server.js";
import { expect, freshName, test } from "../lib/test.js";
import { openAsOperator, send } from "../lib/views.js";

/** Whether the contract has origins; their tests say so where it does not. */
const hasOrigins = "origins" in SiteSchema.field;

/** Makes a site by the form and returns what the page then shows to be taken along. */
async function make(page: Page, server: Server, name: string): Promise<{ snippet: string; check: () => Promise<string> }> {
  await openAsOperator(page, server, undefined, "/setup?site=new+site");
  await page.getByLabel("Name, best its host").fill(name);
  await page.getByLabel("Time zone of its days").fill("Europe/Berlin");
  await page.getByRole("button", { name: "Make the site" }).click();
  const shown = await page.locator('pre[aria-label="the snippet"]').innerText();
  return { snippet: shown, check: () => page.locator('pre[aria-label="the check"]').innerText() };
}

test("the page shows the snippet with this host and the site's key, waits, and turns when the first event arrives", async ({ page, server }) => {
  const name = freshName("first");
  const shown = await make(page, server, name);
  expect(shown.snippet).toMatch(new RegExp(`^<script defer src="${server.url}/js/p\\.js" data-key="pst_write_\\w+"></script>$`));
  await expect(page.getByText("Waiting for the first event")).toBeVisible();
  const key = /data-key="(\w+)"/.exec(shown.snippet)?.[1] ?? "";
  await server.as(key).ingest.collect({ events: [{ visitorId: "first", url: `https://${name}/` }] });
  await expect(page.getByText("Events arrive: 1 so far.")).toBeVisible();
  await page.getByRole("link", { name: "See the numbers" }).click();
  await expect(page.locator('[data-metric="visitors"] .total-number')).toHaveText("1");
});

test("an event that is refused while nothing has arrived is shown with its reason", async ({ page, server }) => {
  const shown = await make(page, server, freshName("refused"));
  const key = /data-key="(\w+)"/.exec(shown.snippet)?.[1] ?? "";
  await server.as(key).ingest.collect({ events: [{ url: "https://a.test/" }] });
  await expect(page.getByRole("alert").filter({ hasText: "An event arrived and was refused" })).toBeVisible({ timeout: 15_000 });
});

test("the check of a page names the fault: missing, cached, another key, policy for scripts and for sending, origin; and says when all is well", async ({ page, context, server }) => {
  test.setTimeout(120_000);
  const shown = await make(page, server, "127.0.0.1");
  const key = /data-key="(\w+)"/.exec(shown.snippet)?.[1] ?? "";
  const check = await shown.check();
  const tag = snippet(server.url, key);

  /** Opens a page from the set-up view, runs the check in it as its console would, and returns what both say. */
  const verdict = async (origin: string): Promise<string> => {
    await page.getByLabel("Page", { exact: true }).fill(`${origin}/`);
    const opening = context.waitForEvent("page");
    await page.getByRole("button", { name: "Open the page" }).click();
    const opened = await opening;
    await opened.waitForLoadState();
    const found = (await opened.evaluate(check)) as { fault: string; says: string };
    await expect(page.locator(".verdict")).toContainText(found.says);
    await opened.close();
    return found.fault;
  };
  const withPage = async (head: string, fault: string, headers: Record<string, string> = {}, origin = (pages: Pages) => pages.origin) => {
    const pages = await Pages.serve((path) => (path === "/" ? html("A page", head) : undefined), { headers });
    expect(await verdict(origin(pages)), fault).toBe(fault);
    await pages.close();
  };

  await withPage("", "missing");
  await withPage(snippet("https://elsewhere.test", key), "wrong_server");
  await withPage(snippet(server.url, "pst_write_other"), "wrong_key");
  await withPage(tag, "csp_script", { "content-security-policy": "script-src 'self'" });
  await withPage(tag, "csp_connect", { "content-security-policy": "connect-src 'self'" });
  if (hasOrigins) await withPage(tag, "wrong_origin", {}, (pages) => pages.originAs("localhost"));
  await withPage(tag, "none");
  // That page was one of the site's own: its view has arrived, and the check stays open.
  await expect(page.getByText(/Events arrive: \d+ so far/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Open the page" })).toBeVisible();

  // A page that asks for push messages needs the worker on its own origin, as a script.
  const push = `${tag}<script defer src="${server.url}/js/p.extra.js" data-push></script>`;
  await withPage(push, "no_worker");
  const worker = (text: string) => Pages.serve((path) => (path === "/" ? html("A page", push) : path === "/pistats-sw.js" ? text : undefined));
  for (const [text, fault] of [["importScripts('/lib/pistats-sw.js')", "none"], ["self.addEventListener('fetch', () => {})", "no_worker"]] as const) {
    const own = await worker(text);
    expect(await verdict(own.origin)).toBe(fault);
    await own.close();
  }

  // An old copy: what is shown has no snippet, what the server has now does.
  let isOld = true;
  const pages = await Pages.serve((path) => {
    if (path !== "/") return undefined;
    const text = html("A page", isOld ? "" : tag);
    isOld = false;
    return text;
  });
  expect(await verdict(pages.origin)).toBe("cached");
  await pages.close();

  // The key was ended.
  const { admin } = server.as(server.instanceKey);
  const site = (await admin.listSites({})).sites.find((one) => one.name === "127.0.0.1");
  for (const one of (await admin.listKeys({ siteId: site?.id ?? 0 })).keys) await admin.revokeKey({ keyId: one.id });
  await withPage(tag, "unknown_key");
});

test("name, zone, origins and the cookieless switch are changed here; a cookieless site says that it has no retention", async ({ page, server }) => {
  test.skip(!hasOrigins, "the contract has no origins");
  const site = await server.site(freshName("form"));
  await send(server, site, [{ visitor: "a", url: "https://a.test/" }]);
  await openAsOperator(page, server, site, "/setup");
  const form = page.getByRole("region", { name: "Site", exact: true });
  await form.getByLabel("Origins").fill("shop.test\nlocalhost:3000");
  await form.getByLabel("Cookieless").check();
  await form.getByRole("button", { name: "Save" }).click();
  await expect(form.getByRole("status")).toHaveText("Saved.");
  const saved = (await server.as(server.instanceKey).admin.listSites({})).sites.find((one) => one.id === site.id) as { origins?: string[]; cookieless?: boolean } | undefined;
  expect([saved?.origins, saved?.cookieless]).toEqual([["shop.test", "localhost:3000"], true]);
  await form.getByLabel("Time zone").fill("Mars/Olympus");
  await form.getByRole("button", { name: "Save" }).click();
  await expect(form.getByRole("status")).toContainText(/zone/);
  await page.goto(`${server.url}/retention?site=${site.name}`);
  await expect(page.getByText("Retention is not available on a cookieless site")).toBeVisible();
});

test("a key's secret is shown once, and an ended key says so", async ({ page, server }) => {
  const site = await server.site(freshName("keys"));
  await openAsOperator(page, server, site, "/setup");
  const keys = page.getByRole("region", { name: "Keys", exact: true });
  await keys.getByLabel("What the key is for").fill("for the board");
  await keys.getByRole("button", { name: "Make a key" }).click();
  const secret = await keys.locator('pre[aria-label="the new key"]').innerText();
  expect(secret).toMatch(/^pst_read_/);
  const { query } = server.as(secret);
  const today = new Date().toISOString().slice(0, 10);
  const ask = () => query.traffic({ range: { range: { case: "days", value: { first: today, last: today } } } });
  expect((await ask()).timeZone).toBe("UTC");
  const row = keys.getByRole("row", { name: /for the board/ });
  await row.getByRole("button", { name: "End" }).click();
  await row.getByRole("button", { name: "End it for good?" }).click();
  await expect(row).toContainText("ended");
  await expect.poll(() => ask().then(() => "answers", () => "refused"), { timeout: 5_000 }).toBe("refused");
  await page.reload();
  await expect(row).toContainText("ended");
  await expect(page.getByText(secret)).toHaveCount(0);
});

test("the sign-in link opens the dashboard once, and leaves no token in the address", async ({ page, context, server }) => {
  const { token } = await server.as(server.instanceKey).admin.createSignIn({});
  await page.goto(`${server.url}/#sign-in=${token}`);
  await expect(page.locator("header.top, .narrow").first()).toBeVisible();
  expect(page.url()).not.toContain(token);
  const other = await (await context.browser()?.newContext())?.newPage();
  await other?.goto(`${server.url}/#sign-in=${token}`);
  await expect(other?.getByRole("alert") ?? page.locator("none")).toContainText("did not sign you in");
  await other?.context().close();
});
