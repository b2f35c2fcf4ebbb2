// Every view, on a desk and on a phone, dark and light: the expected texts are there, nothing sticks out to the side, axe finds no
// serious fault. The pictures lie in pictures/ afterwards, for somebody to look at.
import AxeBuilder from "@axe-core/playwright";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { create, toJsonString } from "@bufbuild/protobuf";
import { Scope } from "../../app/src/gen/pistats/admin/v1/admin_pb.js";
import { Dimension } from "../../app/src/gen/pistats/query/v1/query_pb.js";
import { NodeSchema, Operator } from "../../app/src/gen/pistats/segment/v1/segment_pb.js";
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
  ["segments", "/segments", ["Regulars", "Who came to the shop", "To begin with"]],
  ["segment-builder", "/segments?segment=new&tree=TREE", ["Keep the segment", "Some of them", "Visitors who did \"purchase\""]],
  ["segment", "/segments?segment=SEGMENT", ["In it now", "People", "Send them a message"]],
  ["campaigns", "/campaigns", ["Back in stock", "draft"]],
  ["campaign-editor", "/campaigns?campaign=CAMPAIGN&edit=yes", ["Try it on yourself", /of \d+ in the segment/, "Quiet hours"]],
  ["campaign", "/campaigns?campaign=CAMPAIGN", ["The green kettle is back", "Start", "at each visitor's usual hour"]],
  ["sites", "/sites", ["kettle.example", "Page views"]],
  ["setup", "/setup", ["Put this into the head of every page", "Events arrive", "Origins", "Keys"]],
  ["pipeline", "/pipeline", ["Fresh to", "Duplicates removed", "Partitions", "Replay"]],
];

const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

let server: Server;
let site: Site;
/** What stands for a part of an address that only the server knows. */
const known: Record<string, string> = {};

test.beforeAll(async () => {
  test.setTimeout(120_000);
  mkdirSync(FOLDER, { recursive: true });
  server = await Server.start();
  site = await server.site("kettle.example");
  await sendMonth(server, site);
  const { key } = await server.as(server.instanceKey).admin.createKey({ siteId: site.id, scope: Scope.MANAGE, name: "pictures" });
  const { segment, push } = server.as(key?.secret ?? "");
  const shop = create(NodeSchema, { node: { case: "did", value: { conditions: [{ dimension: Dimension.PATH, operator: Operator.STARTS_WITH, values: ["/shop"] }], distinctDays: true, amount: { case: "atLeast", value: 2 }, lastDays: 30 } } });
  known["SEGMENT"] = (await segment.createSegment({ name: "Who came to the shop", description: "For the letter of the month.", root: shop })).segment?.id ?? "";
  const bought = create(NodeSchema, { node: { case: "did", value: { conditions: [{ dimension: Dimension.EVENT_NAME, operator: Operator.IS, values: ["purchase"] }], lastDays: 30 } } });
  const both = create(NodeSchema, { node: { case: "all", value: { nodes: [bought, { node: { case: "not", value: { node: { case: "memberOf", value: known["SEGMENT"] } } } }, { node: { case: "any", value: { nodes: [shop, bought] } } }] } } });
  const message = { title: "The green kettle is back", body: "You looked at it last week.", url: "https://www.kettle.example/shop/green" };
  const schedule = { when: { case: "usualHour" as const, value: {} } };
  known["CAMPAIGN"] = (await push.createCampaign({ content: { name: "Back in stock", segmentId: known["SEGMENT"] ?? "", message, schedule } })).campaign?.id ?? "";
  known["TREE"] = encodeURIComponent(toJsonString(NodeSchema, both));
});
test.afterAll(() => server.stop());

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"] as const) {
    test(`every view on a ${size}, ${colorScheme}: texts, no overflow, no serious fault`, async ({ browser }) => {
      // Seventeen views, each looked at, photographed and searched for faults.
      test.setTimeout(480_000);
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
      const page = await context.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      await openAsOperator(page, server, site, "/");
      for (const [name, address, texts] of VIEWS) {
        const opened = address.replace(/\b[A-Z]{4,}\b/, (part) => known[part] ?? part);
        await page.goto(`${server.url}${opened}${address.includes("?") ? "&" : "?"}site=${site.name}`);
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
