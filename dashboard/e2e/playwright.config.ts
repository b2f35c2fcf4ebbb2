// `npm run e2e`: the tests of tests/, each file in one worker, one file at a time: they start real servers, and what they
// assert is what a person would see, so nothing else should compete for the machine meanwhile.
import { defineConfig } from "@playwright/test";
import { accessSync, constants } from "node:fs";

const chromium = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** Why the browser tests cannot run here; empty when they can. */
function missing(): string {
  try {
    accessSync(chromium, constants.X_OK);
    return "";
  } catch {
    return `chromium: not at ${chromium} (CHROMIUM names another)`;
  }
}

const reason = missing();
if (reason) {
  const required = (process.env["PISTATS_TEST_REQUIRE"] ?? "").split(",");
  if (required.includes("chromium") || required.includes("all")) throw new Error(`required, but missing: ${reason}`);
  console.log(`skipped: ${reason}`);
}

export default defineConfig({
  testDir: "tests",
  ...(reason ? { testIgnore: "**" } : {}),
  outputDir: "results",
  workers: 1,
  fullyParallel: false,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    launchOptions: {
      executablePath: chromium,
      // As root Chromium has no sandbox; the rest keeps it from asking its makers' hosts for anything.
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // Chromium without a window says that it is one, and counts as a bot then: reports leave it out. Said to the browser and
        // not of each page (`userAgent`), which beacons of pages that are being left do not follow.
        "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
      ],
    },
  },
});
