// The dashboard as a person has it: opened with keys, its numbers read from the screen.
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect } from "@playwright/test";
import type { Server, Site } from "./server.js";

/** Opens an address of the dashboard with the site's read key alone. */
export async function openWithKey(page: Page, server: Server, site: Site, address: string): Promise<void> {
  await page.goto(`${server.url}/#key=${site.read}&site=${encodeURIComponent(site.name)}`);
  await page.waitForFunction(() => localStorage.getItem("pistats.session")?.includes("readKey"));
  await page.goto(server.url + withSite(address, site));
}

/** Opens an address as the one who runs the server. */
export async function openAsOperator(page: Page, server: Server, site: Site | undefined, address: string): Promise<void> {
  await page.goto(`${server.url}/#key=${server.instanceKey}`);
  await page.waitForFunction(() => localStorage.getItem("pistats.session")?.includes("instance"));
  await page.goto(server.url + (site ? withSite(address, site) : address));
}

function withSite(address: string, site: Site): string {
  return `${address}${address.includes("?") ? "&" : "?"}site=${encodeURIComponent(site.name)}`;
}

/** The row of a site in the view of all sites, searched for where there are too many for a page. */
export async function siteRow(page: Page, { name }: Site) {
  const row = page.locator(".sites tbody tr", { has: page.getByRole("link", { name, exact: true }) });
  await expect(page.locator(".sites tbody tr").first()).toBeVisible();
  const search = page.getByRole("searchbox", { name: "Search sites" });
  if (await search.isVisible()) await search.fill(name);
  await expect(row).toHaveCount(1);
  return row;
}

/** A number of the head of a view, as it is shown. */
export function total(page: Page, metric: string) {
  return page.locator(`[data-metric="${metric}"] .total-number`);
}

/** Rows of a card: value and number, as they are shown. */
export async function rows(page: Page, card: string): Promise<[string, string][]> {
  const found = page.locator(`[data-card="${card}"] .row`);
  await expect(found.first()).toBeVisible();
  return found.evaluateAll((all) => all.map((row): [string, string] => [row.querySelector(".value")?.textContent ?? "", row.querySelector(".row-numbers .num")?.textContent ?? ""]));
}

export const whole = (value: number | bigint) => value.toLocaleString("en-US");

/** No part of the page sticks out to the side. */
export async function expectNoOverflow(page: Page): Promise<void> {
  const over = await page.evaluate(() => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (wide <= 0) return "";
    const guilty = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".wide, .tabs, .views"));
    return `${wide} px: ${guilty.slice(0, 4).map((element) => `${element.tagName}.${element.className}`).join(", ")}`;
  });
  expect(over, "overflow to the side").toBe("");
}

/** A UUID of version 7 of that moment. */
export function idOf(epochMs: number): Uint8Array {
  const id = crypto.getRandomValues(new Uint8Array(16));
  new DataView(id.buffer).setBigUint64(0, (BigInt(epochMs) << 16n) | 0x7000n | BigInt((id[7] ?? 0)));
  id[8] = 0x80 | ((id[8] ?? 0) & 0x3f);
  return id;
}

export interface Sent {
  visitor: string;
  /** Milliseconds before now. */
  ago?: number;
  url?: string;
  name?: string;
  referrer?: string;
  title?: string;
  topics?: string[];
  /** Two letters. */
  country?: string;
  properties?: Record<string, string>;
}

const BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";

/** Sends events as the site's own server does. */
export async function send(server: Server, site: Site, events: Sent[]): Promise<void> {
  const now = Date.now();
  for (let at = 0; at < events.length; at += 1000) {
    const batch = events.slice(at, at + 1000).map(({ visitor, ago = 0, ...event }) => ({ id: idOf(now - ago), timeUs: BigInt(now - ago) * 1000n, visitorId: visitor, userAgent: BROWSER, ...event }));
    const { accepted, rejections } = await server.as(site.server).ingest.collect({ events: batch });
    expect(accepted, JSON.stringify(rejections[0])).toBe(batch.length);
  }
}

/** A file of what is shown, as it is downloaded. */
export async function taken(page: Page, what: string, kind: "CSV" | "JSON"): Promise<string> {
  await page.getByRole("button", { name: `Download ${what}`, exact: true }).click();
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: `${kind} of all rows` }).click();
  const text = readFileSync(await (await waiting).path(), "utf8");
  // The menu closes when it is done.
  await expect(page.getByRole("button", { name: `${kind} of all rows` })).toHaveCount(0);
  return text;
}
