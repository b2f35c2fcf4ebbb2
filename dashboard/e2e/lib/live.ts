// From the click to the screen: how long until an open dashboard shows what was clicked on a page elsewhere.
//
//   page of another origin: a real click ─▶ tracker ─▶ collector ─▶ log ─▶ fold ─▶ Watch ─▶ dashboard: the number changed
//            t(n) ───────────────────────────────────────────────────────────────────────────────▶ seen(n)
//
// Both pages run in one browser on one machine, so that their clocks are one: performance.timeOrigin + performance.now().
// `seen(n)` is when a MutationObserver of the dashboard first finds the number at n or more.
import { expect, type Browser } from "@playwright/test";
import { html, Pages, snippet } from "./pages.js";
import type { Server, Site } from "./server.js";
import { openWithKey } from "./views.js";

export interface Measured {
  /** From click to screen, milliseconds, by click. */
  latencies: number[];
  /** What the dashboard showed at the end. */
  shown: number;
}

export interface Clicking {
  clicks: number;
  /** Between two clicks: chance, evenly from 0 to twice this, milliseconds. */
  meanGapMs: number;
}

/** Clicks on a page of another origin while a dashboard is open on the live view. */
export async function clickToScreen(browser: Browser, server: Server, site: Site, { clicks, meanGapMs }: Clicking): Promise<Measured> {
  const pages: Pages = await Pages.serve((path) =>
    path.startsWith("/js/")
      ? undefined
      : html("Clicks", snippet(pages.origin, site.write, `data-host="${server.url}" data-manual`), "<button onclick=\"clicked.push(performance.timeOrigin + performance.now()); pistats('click')\">Click</button><script>clicked = []</script>"),
  );
  // Two windows: a tab in the background is slowed down by the browser.
  const [theirs, ours] = await Promise.all([browser.newContext(), browser.newContext()]);
  try {
    const [page, dashboard] = await Promise.all([theirs.newPage(), ours.newPage()]);
    await openWithKey(dashboard, server, site, "/live");
    const number = dashboard.locator('[data-metric="Events in 30 minutes"] .total-number');
    await expect(number).toHaveText("0");
    await dashboard.evaluate(() => {
      const seen: number[] = ((window as any).seen = []);
      const look = () => {
        const text = document.querySelector('[data-metric="Events in 30 minutes"] .total-number')?.textContent ?? "";
        const now = performance.timeOrigin + performance.now();
        for (let shown = Number(text.replace(/\D/g, "")); seen.length < shown; ) seen.push(now);
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await page.goto(pages.origin);
    const button = page.getByRole("button");
    const { x, y, width, height } = (await button.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
    for (let n = 0; n < clicks; n++) {
      await page.mouse.click(x + width / 2, y + height / 2);
      await new Promise((done) => setTimeout(done, Math.random() * 2 * meanGapMs));
    }
    await expect(number).toHaveText(clicks.toLocaleString("en-US"), { timeout: 30_000 });
    const clicked = await page.evaluate(() => (window as any).clicked as number[]);
    const seen = await dashboard.evaluate(() => (window as any).seen as number[]);
    expect(clicked).toHaveLength(clicks);
    return { latencies: clicked.map((at, n) => (seen[n] ?? Number.NaN) - at), shown: seen.length };
  } finally {
    await Promise.all([theirs.close(), ours.close(), pages.close()]);
  }
}

/** Percentiles of a distribution, nearest rank. */
export function percentiles(values: readonly number[]): Record<"p50" | "p90" | "p99" | "max", number> {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

export const told = (values: readonly number[]): string =>
  Object.entries(percentiles(values)).map(([name, value]) => `${name} ${value.toFixed(0)} ms`).join(", ");
