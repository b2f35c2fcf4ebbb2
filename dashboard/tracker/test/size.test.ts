// The size that is promised: what a visitor's browser loads.
import { build } from "vite";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

/** Bytes, gzipped. The promise for p.js is 3 KB, read the strict way; the others are a choice, and small all the same. */
const MOST = { "p.js": 3000, "p.extra.js": 3000, "pistats-sw.js": 2500 };
const MODES: Record<string, string> = { "p.extra.js": "extra", "pistats-sw.js": "worker" };

test.for(Object.entries(MOST))("%s has at most %i bytes gzipped, and loads nothing", async ([name, most]) => {
  const root = new URL("..", import.meta.url).pathname;
  const made = await build({ root, mode: MODES[name] ?? "production", logLevel: "silent", build: { write: false } });
  const outputs = (Array.isArray(made) ? made : [made]).flatMap((each) => ("output" in each ? each.output : []));
  const script = outputs.find((each) => each.fileName == name);
  if (script?.type != "chunk") throw new Error(`no ${name}`);
  expect([...script.imports, ...script.dynamicImports]).toEqual([]);
  const size = gzipSync(script.code, { level: 9 }).length;
  console.log(`${name}: ${script.code.length} bytes, ${size} gzipped`);
  expect(size).toBeLessThanOrEqual(most);
});
