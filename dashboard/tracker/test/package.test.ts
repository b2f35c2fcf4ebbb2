// The npm package: what is in it, that it loads where there is no page, and that its types say what its README says.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, mkdirSync, writeFileSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = new URL("..", import.meta.url).pathname;
const run = (command: string, ...args: string[]): string => execFileSync(command, args, { cwd: root, encoding: "utf8" });

let project: string;
beforeAll(() => {
  run("npm", "run", "--silent", "build:package");
  project = mkdtempSync(join(tmpdir(), "pistats-package-"));
  mkdirSync(join(project, "node_modules/@pistats"), { recursive: true });
  symlinkSync(root, join(project, "node_modules/@pistats/tracker"));
}, 60_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Whether a file of this text passes the type checker of a project that installed the package. */
const compiles = (text: string): string => {
  writeFileSync(join(project, "use.ts"), text);
  const config = { compilerOptions: { module: "nodenext", target: "es2022", lib: ["es2022", "dom"], strict: true, noEmit: true, types: [] }, files: ["use.ts"] };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module" }));
  try {
    run(join(root, "../node_modules/.bin/tsc"), "-p", project);
    return "";
  } catch (error) {
    return String((error as { stdout: string }).stdout);
  }
};

test("the package holds the modules, their types and the README, and nothing else", () => {
  const [packed] = JSON.parse(run("npm", "pack", "--dry-run", "--json", "--ignore-scripts"));
  const modules = ["answer", "core", "encode", "extra", "id", "index", "queue"];
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
  expect(execFileSync("node", [join(project, "use.mjs"), ], { encoding: "utf8" })).toBe("ok\n");
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
