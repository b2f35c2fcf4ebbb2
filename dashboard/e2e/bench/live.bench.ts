// Click to dashboard: a thousand clicks, at three rates: `npm run bench:live`, on a machine that does nothing else. CLICKS and
// GAPS (mean milliseconds between clicks) choose others.
import { cpus } from "node:os";
import { clickToScreen, told } from "../lib/live.js";
import { expect, freshName, test } from "../lib/test.js";

const clicks = Number(process.env["CLICKS"] ?? 1000);
const gaps = (process.env["GAPS"] ?? "500,100,20").split(",").map(Number);

for (const meanGapMs of gaps)
  test(`click to dashboard, one click every ${meanGapMs} ms in the mean`, async ({ browser, server }) => {
    test.setTimeout(20 * 60_000);
    const site = await server.site(freshName());
    const { latencies, shown } = await clickToScreen(browser, server, site, { clicks, meanGapMs });
    expect(shown).toBe(clicks);
    console.log(`click to dashboard: ${clicks} clicks, every ${meanGapMs} ms in the mean: ${told(latencies)} (${cpus().length} cores, browser and server on the same ones)`);
  });
