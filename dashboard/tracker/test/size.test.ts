// The size that is promised: what a visitor's browser loads.
import { build } from "vite";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import config from "../vite.config.js";

/** The promise: 3 KB gzipped, read the strict way. */
const MOST = 3000;

test(`p.js has at most ${MOST} bytes gzipped, and nothing is loaded after it`, async () => {
  const made = await build({ ...config, root: new URL("..", import.meta.url).pathname, configFile: false, logLevel: "silent", build: { ...config.build, write: false } });
  const outputs = (Array.isArray(made) ? made : [made]).flatMap((each) => ("output" in each ? each.output : []));
  const core = outputs.find((each) => each.fileName == "p.js");
  if (core?.type != "chunk") throw new Error("no p.js");
  expect(core.imports.length + core.dynamicImports.length).toBe(0);
  const size = gzipSync(core.code, { level: 9 }).length;
  console.log(`p.js: ${core.code.length} bytes, ${size} gzipped`);
  expect(size).toBeLessThanOrEqual(MOST);
});
