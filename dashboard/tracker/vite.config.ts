// One file for each script tag: `vite build` makes p.js, `vite build --mode extra` p.extra.js, `--mode worker` pistats-sw.js. All are
// classic scripts, so that they know the element they came from (document.currentScript), and share no chunk.
import { defineConfig } from "vitest/config";

const FILES: Record<string, [entry: string, name: string]> = {
  extra: ["src/script.extra.ts", "p.extra.js"],
  worker: ["src/worker.ts", "pistats-sw.js"],
};

export default defineConfig(({ mode }) => {
  const [entry, name] = FILES[mode] ?? ["src/script.ts", "p.js"];
  return {
    build: {
      outDir: "../dist/js",
      emptyOutDir: false,
      target: "es2020",
      lib: {
        entry,
        formats: ["iife"],
        name: "pistatsScript",
        fileName: () => name,
      },
    },
    test: { name: "tracker", include: ["test/**/*.test.ts"] },
  };
});
