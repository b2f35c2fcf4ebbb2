// The demo shop: one buys something in it, and the tracker tells what was done, in order and with its value.
import AxeBuilder from "@axe-core/playwright";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exported } from "../lib/clients.js";
import { DIST, Pages } from "../lib/pages.js";
import type { Site } from "../lib/server.js";
import { expect, freshName, test } from "../lib/test.js";

let pages: Pages;
let site: Site;

test.beforeEach(async ({ server }) => {
  site = await server.site(freshName("shop"));
  // As the program serves it: the key in its place, and a page without `.html`.
  pages = await Pages.serve((path) => {
    if (!path.startsWith("/shop/") || path.startsWith("/shop/assets/")) return undefined;
    const file = path.endsWith("/") ? `${path}index.html` : `${path}.html`;
    return readFileSync(join(DIST, file), "utf8").replace('data-key="{{write_key}}"', `data-key="${site.write}" data-host="${server.url}"`);
  });
});
test.afterEach(() => pages?.close());

test("someone buys tea, and every step is told in order, the purchase with its value", async ({ server, page }) => {
  await page.goto(`${pages.origin}/shop/`);
  await page.getByRole("link", { name: "Green Terrace" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Green Terrace");
  await page.getByRole("button", { name: "Add to cart" }).click();
  await expect(page.getByRole("status")).toHaveText("Green Terrace is in the cart.");
  await page.getByRole("link", { name: "Cups", exact: true }).click();
  await page.getByRole("button", { name: "Add to cart: Two Cups" }).click();
  await page.getByRole("link", { name: /^Cart/ }).click();
  await page.getByRole("button", { name: "One Two Cups more" }).click();
  await page.getByRole("button", { name: "One Two Cups less" }).click();
  await expect(page.getByRole("row", { name: "Total" })).toContainText("€35.50");
  await page.getByRole("link", { name: "Check out" }).click();
  await page.getByLabel("Name").fill("Ada");
  await page.getByLabel("Street and town").fill("Here");
  await page.getByRole("button", { name: "Order for €35.50" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Thank you");

  const told = async () => (await exported(server.url, site.read)).map(({ name, url }) => `${name} ${new URL(url).pathname}`);
  await expect.poll(told).toEqual([
    "page_view /shop/",
    "page_view /shop/p/green-terrace",
    "product_view /shop/p/green-terrace",
    "add_to_cart /shop/p/green-terrace",
    "page_view /shop/c/cups",
    "add_to_cart /shop/c/cups",
    "page_view /shop/cart",
    "add_to_cart /shop/cart",
    "remove_from_cart /shop/cart",
    "page_view /shop/checkout",
    "begin_checkout /shop/checkout",
    "purchase /shop/checkout",
    "page_view /shop/thanks",
  ]);
  const events = await exported(server.url, site.read);
  expect(events.find(({ name }) => name == "purchase")).toMatchObject({
    valueMicros: 35_500_000n,
    properties: { items: "2", products: "green-terrace,two-cups", delivery: "bicycle" },
    topics: ["green tea", "cups"],
  });
  expect(events.filter(({ name }) => name == "page_view").map(({ title }) => title)).toContain("Green Terrace · Kettle & Leaf");
  expect(events.map(({ valueMicros }) => valueMicros).filter((value) => value !== undefined)).toHaveLength(1);
});

test("any page of the shop can be opened by its address, with its own title, and gone back from", async ({ server, page }) => {
  await page.goto(`${pages.origin}/shop/p/iron-pot`);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Iron Pot");
  await expect.poll(async () => (await exported(server.url, site.read)).map(({ title }) => title)).toEqual(["Iron Pot · Kettle & Leaf", "Iron Pot · Kettle & Leaf"]);
  await page.getByRole("link", { name: "Kettle & Leaf" }).click();
  await page.goBack();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Iron Pot");
});

test("the shop works where the tracker is blocked", async ({ page }) => {
  await page.route("**/js/p.js", (route) => route.abort());
  await page.goto(`${pages.origin}/shop/p/round-pot`);
  await page.getByRole("button", { name: "Add to cart" }).click();
  await expect(page.getByRole("link", { name: /^Cart/ })).toHaveText("Cart 1");
});

for (const scheme of ["light", "dark"] as const)
  for (const [size, viewport] of [["desktop", { width: 1280, height: 800 }], ["phone", { width: 360, height: 740 }]] as const)
    test(`the shop is accessible and does not overflow: ${scheme}, ${size}`, async ({ browser }) => {
      const context = await browser.newContext({ colorScheme: scheme, viewport });
      const page = await context.newPage();
      for (const path of ["", "p/smoke-house", "cart", "checkout", "thanks"]) {
        await page.goto(`${pages.origin}/shop/${path}`);
        if (path == "p/smoke-house") await page.getByRole("button", { name: "Add to cart" }).click();
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`), path).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), path).toBe(true);
        await page.screenshot({ path: join(import.meta.dirname, "../pictures", `shop-${path.replace("/", "-") || "list"}-${size}-${scheme}.png`), fullPage: true });
      }
      await context.close();
    });
