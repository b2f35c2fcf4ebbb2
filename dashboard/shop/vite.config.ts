import { defineConfig } from "vite";

export default defineConfig({
  base: "/shop/",
  build: { outDir: "../dist/shop", emptyOutDir: false, target: "es2022" },
});
