// The npm package: what is in it, that it loads where there is no page, and that its types say what its README says.
//
// It is put together in a folder of its own, so that a test leaves nothing among the sources.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = new URL("..", import.meta.url).pathname;
const tsc = join(root, "../node_modules/.bin/tsc");
const run = (cwd: string, command: string, ...args: string[]): string => execFileSync(command, args, { cwd, encoding: "utf8" });

/** A project that installed the package. */
let project: string;
let installed: string;
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "pistats-package-"));
  installed = join(project, "node_modules/@pistats/tracker");
  mkdirSync(installed, { recursive: true });
  for (const file of ["package.json", "README.md"]) copyFileSync(join(root, file), join(installed, file));
  run(root, tsc, "-p", "tsconfig.package.json", "--outDir", join(installed, "lib"));
}, 60_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Whether a file of this text passes the type checker of a project that installed the package. */
const compiles = (text: string): string => {
  writeFileSync(join(project, "use.ts"), text);
  const config = { compilerOptions: { module: "nodenext", target: "es2022", lib: ["es2022", "dom"], strict: true, noEmit: true, types: [] }, files: ["use.ts"] };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
  try {
    run(project, tsc, "-p", project);
    return "";
  } catch (error) {
    return String((error as { stdout: string }).stdout);
  }
};

test("the package holds the modules, their types and the README, and nothing else", () => {
  const [packed] = JSON.parse(run(installed, "npm", "pack", "--dry-run", "--json", "--ignore-scripts"));
  const modules = ["answer", "core", "encode", "extra", "id", "index", "push", "queue"];
  const files = modules.flatMap((name) => [`lib/${name}.d.ts`, `lib/${name}.js`]);
  expect(packed.files.map((file: { path: string }) => file.path).sort()).toEqual(["README.md", ...files, "package.json"].sort());
  expect(packed.name).toBe("@pistats/tracker");
}, 30_000);

test("where there is no page it loads, and does nothing", () => {
  const script = `
    import { init } from "@pistats/tracker";
    import { extra } from "@pistats/tracker/extra";
    const tracker = init({ host: "https://stats.example.org", key: "k" });
    tracker.track("signup"); tracker.view(); tracker.identify("u");
    extra(tracker, { outbound: true, engagement: true, forms: true, notFound: true, downloads: true });
    console.log("ok");`;
  writeFileSync(join(project, "use.mjs"), script);
  expect(run(project, "node", "use.mjs")).toBe("ok\n");
});

test("the examples of the README pass the type checker", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const examples = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, text]) => text).join("\n");
  expect(examples).toContain("init(");
  expect(compiles(examples)).toBe("");
}, 30_000);

test("what is no option, no key or no value is an error of types", () => {
  expect(compiles(`import { init } from "@pistats/tracker"; init({ host: "https://stats.example.org" });`)).toContain("'key' is missing");
  expect(compiles(`import { init } from "@pistats/tracker"; init({ host: "h", key: "k" }).track("a", { value: "9" });`)).toContain("not assignable");
}, 30_000);
