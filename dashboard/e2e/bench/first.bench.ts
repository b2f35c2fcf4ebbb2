// How long the overview takes from opening it to its first numbers: `npm run bench:first` (in e2e/), on real inputs or, without
// them, on the demo's history. Prints each run and the middle one; a cold run has a browser that never saw the page.
import { chromium, test } from "@playwright/test";
import { events, folder } from "../lib/data.js";
import { Server } from "../lib/server.js";

const RUNS = 15;
const MARK = "pistats-overview-data";

test("first numbers of the overview", async ({ launchOptions }) => {
  test.setTimeout(600_000);
  const hasData = folder() !== undefined;
  const server = await Server.start({ demo: !hasData });
  const site = hasData ? await server.site("usagov.test") : { name: "demo", read: "" };
  if (hasData) await server.importFile(site as Parameters<Server["importFile"]>[0], events("usagov"));
  const address = hasData ? `/?site=${site.name}&range=2013-01-01..2013-05-17&bots=include` : "/?site=demo&range=30d";
  const signIn = hasData ? `/#key=${site.read}&site=${site.name}` : `/#key=${server.instanceKey}`;
  const browser = await chromium.launch(launchOptions);
  const measure = async (isWarm: boolean): Promise<number[]> => {
    const times: number[] = [];
    let context = await browser.newContext();
    for (let run = 0; run < RUNS; run++) {
      if (!isWarm || run === 0) {
        await context.close();
        context = await browser.newContext();
        const first = await context.newPage();
        await first.goto(server.url + signIn);
        await first.waitForFunction(() => localStorage.getItem("pistats.session")?.includes("readKey"));
        const kept = await first.evaluate(() => localStorage.getItem("pistats.session") ?? "");
        await first.close();
        if (!isWarm) {
          // The keys, and nothing else of that visit: no cache, no worker.
          await context.close();
          context = await browser.newContext({ storageState: { cookies: [], origins: [{ origin: server.url, localStorage: [{ name: "pistats.session", value: kept }] }] } });
        }
      }
      const page = await context.newPage();
      await page.goto(server.url + address);
      await page.waitForFunction((mark) => performance.getEntriesByName(mark).length > 0, MARK);
      times.push(await page.evaluate((mark) => performance.getEntriesByName(mark)[0]?.startTime ?? NaN, MARK));
      await page.close();
    }
    await context.close();
    return times.sort((a, b) => a - b);
  };
  for (const isWarm of [false, true]) {
    const times = await measure(isWarm);
    const text = (at: number) => `${Math.round(times[at] ?? NaN)} ms`;
    console.log(`${isWarm ? "warm" : "cold"}: ${RUNS} runs, least ${text(0)}, middle ${text(Math.floor(RUNS / 2))}, greatest ${text(RUNS - 1)}`);
  }
  await browser.close();
  await server.stop();
});
