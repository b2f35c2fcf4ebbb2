// Every view, on a desk and on a phone, dark and light: the expected texts are there, nothing sticks out to the side, axe finds no
// serious fault. The pictures lie in pictures/ afterwards, for somebody to look at.
import AxeBuilder from "@axe-core/playwright";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Server, type Site } from "../lib/server.js";
import { sendMonth } from "../lib/shop.js";
import { expect, test } from "../lib/test.js";
import { expectNoOverflow, openAsOperator } from "../lib/views.js";

const FOLDER = process.env["PISTATS_PICTURES"] ?? join(import.meta.dirname, "../pictures");
const step = (filter: string) => `step=${encodeURIComponent(JSON.stringify([filter]))}`;

const VIEWS: [name: string, address: string, texts: (string | RegExp)[]][] = [
  ["overview", "/?range=30d&compare=previous", ["Visitors", "Bounce rate", "Direct / none", /All \d/, "Countries", "add_to_cart"]],
  ["today", "/?range=today&compare=previous&metric=page_views", ["Compared up to the same time of the day", "Page views"]],
  ["filtered", "/?range=30d&f=country%3DUS&f=page~shop", ["Country is United States", "Page contains shop"]],
  ["list", "/?range=30d&list=page", ["Pages", "Session time", /1 – \d+ of \d+/]],
  ["live", "/live", ["Current visitors", "Events in 30 minutes", "Trending topics"]],
  ["retention", "/retention?range=30d", ["Cohort", "First time", "100%"]],
  ["funnels", `/funnels?range=30d&${step("event_name=page_view")}&${step("event_name=add_to_cart")}&${step("event_name=purchase")}`, ["went all the way", "Event is purchase"]],
  ["journeys", "/journeys", ["Recent visitors", / ago$|^now$/]],
  ["sites", "/sites", ["kettle.example", "Page views"]],
  ["setup", "/setup", ["Put this into the head of every page", "Events arrive", "Origins", "Keys"]],
  ["pipeline", "/pipeline", ["Fresh to", "Duplicates removed", "Partitions", "Replay"]],
];

const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

let server: Server;
let site: Site;

test.beforeAll(async () => {
  test.setTimeout(120_000);
  mkdirSync(FOLDER, { recursive: true });
  server = await Server.start();
  site = await server.site("kettle.example");
  await sendMonth(server, site);
});
test.afterAll(() => server.stop());

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`every view on a ${size}, ${colorScheme}: texts, no overflow, no serious fault`, async ({ browser }) => {
      test.setTimeout(240_000);
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
      const page = await context.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      await openAsOperator(page, server, site, "/");
      for (const [name, address, texts] of VIEWS) {
        await page.goto(`${server.url}${address}${address.includes("?") ? "&" : "?"}site=${site.name}`);
        for (const text of texts) await expect(page.locator("#app").getByText(text).filter({ visible: true }).first(), `${name}: ${text}`).toBeVisible({ timeout: 20_000 });
        await expect(page.locator(".waiting"), name).toHaveCount(0);
        await expectNoOverflow(page);
        await page.screenshot({ path: join(FOLDER, `${name}-${size}-${colorScheme}.png`), fullPage: size === "phone" });
        const { violations } = await new AxeBuilder({ page }).analyze();
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        expect(serious.map(({ id, nodes }) => `${name}: ${id}: ${nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.failureSummary?.slice(0, 200)}`).join(" | ")}`)).toEqual([]);
      }
      expect(errors).toEqual([]);
      await context.close();
    });
  }
}
