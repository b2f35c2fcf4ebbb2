import { defineConfig } from "vitest/config";

export default defineConfig({
  build: { outDir: "../dist", emptyOutDir: false, target: "es2022" },
  test: { name: "app", include: ["src/**/*.test.ts"], passWithNoTests: true },
});
