// The harness itself: what all other tests stand on.
import { exported, idText } from "../lib/clients.js";
import { html, Pages } from "../lib/pages.js";
import { Server } from "../lib/server.js";
import { expect, freshName, test } from "../lib/test.js";

/** A UUID of version 7 of this moment. */
function freshId(): Uint8Array {
  const id = crypto.getRandomValues(new Uint8Array(16));
  new DataView(id.buffer).setBigUint64(0, (BigInt(Date.now()) << 16n) | 0x7000n);
  id[8] = 0x80;
  return id;
}

test("an event that was collected over grpc-web is exported with its id", async ({ server }) => {
  const site = await server.site(freshName());
  const id = freshId();
  const answer = await server.as(site.write).ingest.collect({ events: [{ id, visitorId: "ada", url: "https://a.test/" }] });
  expect(answer.accepted).toBe(1);
  await expect.poll(async () => (await exported(server.url, site.read)).map((event) => idText(event.id))).toEqual([idText(id)]);
});

test("a page of another origin is seen by the browser", async ({ page }) => {
  const pages = await Pages.serve((path) => (path === "/" ? html("Hello", "", "<h1>Hello</h1>") : undefined));
  await page.goto(pages.origin);
  await expect(page.getByRole("heading")).toHaveText("Hello");
  await pages.close();
});

test("a server that was killed has what it acknowledged when it is back", async () => {
  const server = await Server.start();
  const site = await server.site("killed.test");
  await server.as(site.write).ingest.collect({ events: [{ id: freshId(), visitorId: "ada" }] });
  await server.kill();
  await server.revive();
  await expect.poll(async () => (await exported(server.url, site.read)).length).toBe(1);
  await server.stop();
});
