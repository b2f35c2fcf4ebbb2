import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { defineConfig } from "vite";
import { at, PATHS, titled } from "./src/pages.js";

const out = resolve(import.meta.dirname, "../dist/shop");

export default defineConfig({
  base: "/shop/",
  build: { outDir: out, emptyOutDir: false, target: "es2022" },
  plugins: [
    {
      name: "a file for every page",
      // The server looks for /shop/cart in shop/cart.html: all are the same document, which shows what its address says; but
      // each has its title from the start, because the tracker tells it before the shop's own code runs.
      closeBundle() {
        const text = readFileSync(resolve(out, "index.html"), "utf8");
        for (const path of ["index", ...PATHS]) {
          const file = resolve(out, `${path}.html`);
          mkdirSync(dirname(file), { recursive: true });
          writeFileSync(file, text.replace(/<title>.*<\/title>/, `<title>${titled(at(path == "index" ? "" : path))}</title>`));
        }
      },
    },
  ],
});
