// One file for each script tag: `vite build` makes p.js, `vite build --mode extra` p.extra.js. Both are classic scripts, so
// that they know the element they came from (document.currentScript), and share no chunk.
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => {
  const extra = mode == "extra";
  return {
    build: {
      outDir: "../dist/js",
      emptyOutDir: false,
      target: "es2020",
      lib: {
        entry: extra ? "src/script.extra.ts" : "src/script.ts",
        formats: ["iife"],
        name: "pistatsScript",
        fileName: () => (extra ? "p.extra.js" : "p.js"),
      },
    },
    test: { name: "tracker", include: ["test/**/*.test.ts"] },
  };
});
