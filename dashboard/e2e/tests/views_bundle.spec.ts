// What the dashboard weighs, and that all of it comes from the server that it belongs to.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { DIST } from "../lib/pages.js";
import { expect, freshName, test } from "../lib/test.js";
import { openWithKey, send, total } from "../lib/views.js";

const BOUND = 250 * 1024;

test("all files of the dashboard together are at most 250 KB gzipped", () => {
  const assets = readdirSync(join(DIST, "assets"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = [join(DIST, "index.html"), ...assets].map((file) => gzipSync(readFileSync(file)).length);
  const sum = sizes.reduce((all, size) => all + size, 0);
  console.log(`dashboard: ${sizes.length} files, ${(sum / 1024).toFixed(1)} KiB gzipped`);
  expect(sum).toBeLessThanOrEqual(BOUND);
});

test("nothing is loaded from anywhere else, and the page's policy allows nothing else", async ({ page, server }) => {
  const site = await server.site(freshName("policy"));
  await send(server, site, [{ visitor: "a", url: "https://a.test/" }]);
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  const errors: string[] = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await openWithKey(page, server, site, "/?range=today");
  await expect(total(page, "visitors")).toHaveText("1");
  expect(asked.filter((url) => !url.startsWith(server.url) && !url.startsWith("blob:"))).toEqual([]);
  expect(errors).toEqual([]);
});
