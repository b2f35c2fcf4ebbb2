// Real inputs that nobody on this project made, as events, with their published answers.
//
// They are no part of the project: looked for in $PISTATS_TEST_DATA, else in shared/data beside any folder above this one
// (../shared/data from the project's root). Events are made once by the data's own to_events.py and kept in the folder for
// temporary files.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export type Set = "usagov" | "elastic" | "msnbc" | "retail" | "retail-clean";

/** The folder of the data; undefined where there is none. */
export function folder(): string | undefined {
  const candidates = process.env["PISTATS_TEST_DATA"] ? [process.env["PISTATS_TEST_DATA"]] : [];
  for (let above = import.meta.dirname; above !== dirname(above); above = dirname(above)) candidates.push(join(above, "shared/data"));
  return candidates.find((each) => existsSync(join(each, "to_events.py")));
}

/**
 * Why tests on this data cannot run here; undefined when they can. For `test.skip(reason !== undefined, reason)`.
 * Throws where PISTATS_TEST_REQUIRE demands `data`.
 */
export function missing(): string | undefined {
  if (folder()) return undefined;
  const reason = "data: no ../shared/data; PISTATS_TEST_DATA names its folder";
  const required = (process.env["PISTATS_TEST_REQUIRE"] ?? "").split(/[, ]/);
  if (required.includes("data") || required.includes("all")) throw new Error(`required, but missing: ${reason}`);
  return reason;
}

/** The file with the events of a set, one JSON object a line. */
export function events(set: Set): string {
  const script = join(known(), "to_events.py");
  const version = createHash("sha256").update(readFileSync(script)).digest("hex").slice(0, 16);
  const cache = join(tmpdir(), "pistats-e2e-data");
  mkdirSync(cache, { recursive: true });
  const done = join(cache, `${set}-${version}.ndjson`);
  if (!existsSync(done)) {
    const unfinished = `${done}.${process.pid}`;
    const file = openSync(unfinished, "w");
    execFileSync("python3", [script, set], { stdio: ["ignore", file, "inherit"] });
    closeSync(file);
    renameSync(unfinished, done);
  }
  return done;
}

/** The published answers of a file in reference/, such as `usagov.reference.json`. */
export function reference<T>(name: string): T {
  return JSON.parse(readFileSync(join(known(), "reference", name), "utf8")) as T;
}

function known(): string {
  const found = folder();
  if (!found) throw new Error(missing() ?? "");
  return found;
}
