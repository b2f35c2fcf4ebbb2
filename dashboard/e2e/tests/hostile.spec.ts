// Pages and browsers that give the tracker nothing: it never throws into them, and their own code goes on.
import { html, Pages, snippet } from "../lib/pages.js";
import { exported } from "../lib/clients.js";
import { expect, freshName, test } from "../lib/test.js";

/** The page's own code: uses what the tracker patches or offers, and says when it got through. */
const own = `<script type="module">
  pistats("own", { props: { n: 1 } }); pistats.track("own"); pistats.view(); pistats.identify("u");
  pistats(); pistats(null); pistats("odd", null); pistats("odd", { props: 7, topics: 7, value: {} });
  history.pushState({ mine: 1 }, "", "/pushed");
  document.title = history.state.mine === 1 && location.pathname === "/pushed" ? "through" : "lost";
</script>`;

const without: Record<string, { script?: string; headers?: Record<string, string>; arrives: boolean }> = {
  "nothing missing": { arrives: true },
  "localStorage that throws": { script: "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError') } })", arrives: true },
  "localStorage that is null": { script: "Object.defineProperty(window, 'localStorage', { value: null })", arrives: true },
  "a full localStorage": { script: "Object.defineProperty(window, 'localStorage', { value: new Proxy({}, { set() { throw new DOMException('full', 'QuotaExceededError') } }) })", arrives: true },
  "no crypto": { script: "Object.defineProperty(window, 'crypto', { value: undefined })", arrives: true },
  "a frozen history": { script: "History.prototype.pushState = History.prototype.pushState; Object.freeze(history); Object.freeze(History.prototype)", arrives: true },
  "no Intl": { script: "delete window.Intl", arrives: true },
  "no sendBeacon": { script: "Navigator.prototype.sendBeacon = undefined", arrives: true },
  "no AbortSignal.timeout": { script: "delete AbortSignal.timeout", arrives: true },
  "a fetch that throws": { script: "window.fetch = () => { throw new Error('mine') }", arrives: false },
  "no fetch": { script: "window.fetch = undefined", arrives: false },
  "a fetch that never answers": { script: "window.fetch = () => new Promise(() => {})", arrives: false },
  "a clock that stands in the year 10000": { script: "Date.now = () => 253402300800000", arrives: false },
  "no CustomEvent": { script: "window.CustomEvent = undefined", arrives: false },
  "no TextEncoder": { script: "window.TextEncoder = undefined", arrives: false },
  "a document that cannot be listened to": { script: "document.addEventListener = () => { throw new Error('mine') }", arrives: true },
  "a policy that allows no connections": { headers: { "content-security-policy": "connect-src 'none'" }, arrives: false },
};

for (const [what, { script, headers, arrives }] of Object.entries(without))
  test(`with ${what} nothing is thrown into the page`, async ({ server, browser }) => {
    const site = await server.site(freshName());
    const pages: Pages = await Pages.serve(
      (path) => (path.startsWith("/js/") ? undefined : html("Hostile", snippet(pages.origin, site.write, `data-host="${server.url}"`), own)),
      { ...(headers ? { headers } : {}) },
    );
    const context = await browser.newContext();
    const page = await context.newPage();
    if (script) await page.addInitScript(script);
    // What ends in an error event or an unhandled rejection reaches the page.
    const thrown: string[] = [];
    page.on("pageerror", (error) => thrown.push(String(error)));
    await page.goto(pages.origin);
    await expect(page).toHaveTitle("through");
    if (arrives) await expect.poll(async () => (await exported(server.url, site.read)).filter(({ name }) => name == "own").length).toBe(2);
    else await page.waitForTimeout(300);
    await page.goto("about:blank"); // Leaving is a way in, too.
    expect(thrown).toEqual([]);
    await context.close();
    await pages.close();
  });
