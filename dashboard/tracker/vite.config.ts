import { defineConfig } from "vitest/config";

export default defineConfig({
  build: {
    outDir: "../dist/js",
    emptyOutDir: false,
    target: "es2020",
    lib: { entry: "src/script.ts", formats: ["iife"], name: "pistats_", fileName: () => "p.js" },
  },
  test: { name: "tracker", include: ["test/**/*.test.ts"], passWithNoTests: true },
});
