// The second script: each part by its switch, on real pages.
import { exported } from "../lib/clients.js";
import { html, Pages, snippet } from "../lib/pages.js";
import type { Server, Site } from "../lib/server.js";
import { expect, freshName, test } from "../lib/test.js";
import type { Page } from "@playwright/test";

let pages: Pages;
let site: Site;
let switches = "";
let body = "";

/** Links and forms of these pages lead nowhere: what counts is what was clicked. */
const nowhere = `<script>for (const what of ["click", "auxclick", "submit"])
  addEventListener(what, (event) => event.target.closest("a, form") && event.target.closest("button") === null && event.preventDefault())</script>`;

test.beforeEach(async ({ server }) => {
  site = await server.site(freshName());
  pages = await Pages.serve((path) => {
    if (path.startsWith("/js/")) return undefined;
    const extra = `<script defer src="/js/p.extra.js" ${switches}></script>`;
    const text = html(`Page ${path}`, snippet(pages.origin, site.write, `data-host="${server.url}"`) + extra, body + nowhere);
    return { status: path == "/lost" ? 404 : 200, text };
  });
});
test.afterEach(() => pages?.close());

const events = async (server: Server): Promise<[string, Record<string, string>][]> =>
  (await exported(server.url, site.read)).filter(({ name }) => name != "page_view").map(({ name, properties }) => [name, properties]);

const click = (page: Page, name: string, button: "left" | "middle" | "right" = "left") => page.getByRole("link", { name }).click({ button });

test("links to other hosts and to files are told, with any button that opens them; the page's own links are not", async ({ server, page }) => {
  switches = "data-outbound data-downloads";
  body = `<a href="https://other.example/a?b=1"><b>outbound</b></a> <a href="/own">own</a> <a href="/files/List.ZIP">file</a>
    <a href="https://other.example/paper.pdf">foreign file</a> <a href="mailto:a@other.example">mail</a> <a href="/report" download>marked</a>`;
  await page.goto(pages.origin);
  for (const button of ["left", "middle", "right"] as const) await click(page, "outbound", button);
  await click(page, "foreign file");
  for (const name of ["file", "mail", "own"]) await page.getByRole("link", { name, exact: true }).click();
  await click(page, "marked");
  const url = "https://other.example/a?b=1";
  await expect.poll(() => events(server)).toEqual([
    ["outbound_link", { url }],
    ["outbound_link", { url }],
    ["file_download", { url: "https://other.example/paper.pdf" }],
    ["file_download", { url: `${pages.origin}/files/List.ZIP` }],
    ["file_download", { url: `${pages.origin}/report` }],
  ]);
});

test("data-downloads names the endings", async ({ server, page }) => {
  switches = `data-downloads=".pdf, ZIP"`;
  body = `<a href="/a.zip">zip</a> <a href="/a.txt">txt</a> <a href="/a.pdf">pdf</a>`;
  await page.goto(pages.origin);
  for (const name of ["zip", "txt", "pdf"]) await click(page, name);
  await expect.poll(() => events(server)).toEqual([
    ["file_download", { url: `${pages.origin}/a.zip` }],
    ["file_download", { url: `${pages.origin}/a.pdf` }],
  ]);
});

test("a form that is sent is told by its name, and nothing of what is in it", async ({ server, page }) => {
  switches = "data-forms";
  body = `<form id="contact" action="/sent?x=1" method="post"><input name="action" value="secret"><button>Send</button></form>`;
  await page.goto(pages.origin);
  await page.getByRole("button").click();
  await expect.poll(() => events(server)).toEqual([["form_submit", { form: "contact", action: `${pages.origin}/sent` }]]);
});

test("a page that the server answered with 404 is told", async ({ server, page }) => {
  switches = "data-not-found";
  await page.goto(pages.origin);
  await page.goto(`${pages.origin}/lost`);
  await expect.poll(() => events(server)).toEqual([["not_found", { path: "/lost" }]]);
});

test("engagement adds up to the time that each page of a single-page app was visible", async ({ server, page }) => {
  switches = "data-engagement";
  body = `<div style="height: 5000px"></div>`;
  await page.clock.install();
  await page.goto(`${pages.origin}/one`);
  const hide = (hidden: boolean) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    }, hidden);
  await page.clock.runFor(2600);
  await hide(true); // 2 s told, 0.6 s carried over.
  await page.clock.runFor(60_000);
  await hide(false);
  await page.evaluate(() => scrollTo(0, 1e6));
  await page.clock.runFor(1500);
  await page.evaluate(() => history.pushState(null, "", "/two")); // 0.6 + 1.5 s.
  await page.clock.runFor(700);
  await hide(true); // Less than a second: nothing.
  await page.clock.runFor(5000);
  await hide(false);
  await page.clock.runFor(1000);
  await page.evaluate(() => history.pushState(null, "", "/three"));
  await page.clock.runFor(50);
  // By id, which is the page's own order: the server corrects the times of a clock that runs ahead like this one.
  const engaged = async () =>
    (await exported(server.url, site.read)).filter(({ name }) => name == "engagement").sort((a, b) => Buffer.compare(a.id, b.id));
  const told = async () => (await engaged()).map(({ url, title, properties }) => [url.replace(pages.origin, ""), title, Number(properties["seconds"])]);
  await expect.poll(told).toEqual([
    ["/one", "Page /one", 2],
    ["/one", "Page /one", 2],
    ["/two", "Page /one", 1],
  ]);
  const scrolled = (await engaged()).map(({ properties }) => Number(properties["scroll"]));
  expect(scrolled[0]).toBeLessThan(50);
  expect(scrolled[1]).toBe(100);
});

test("without switches the second script tells nothing", async ({ server, page }) => {
  switches = "";
  body = `<a href="https://other.example/">outbound</a>`;
  await page.goto(pages.origin);
  await click(page, "outbound");
  await page.evaluate(() => (window as any).pistats("last"));
  await expect.poll(() => events(server)).toEqual([["last", {}]]);
});
