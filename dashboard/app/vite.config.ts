// `npx vite` in this folder serves the dashboard with its sources; calls go to the server that PISTATS_URL names.
import { defineConfig } from "vitest/config";

const server = process.env["PISTATS_URL"] ?? "http://127.0.0.1:8080";
const proxied = Object.fromEntries(["/pistats.", "/grpc.", "/collect", "/pixel.gif", "/js/"].map((path) => [path, { target: server, changeOrigin: true }]));

export default defineConfig({
  server: { proxy: proxied },
  // Everything is a file of its own under the same origin: the page's policy allows nothing inline.
  build: { outDir: "../dist", emptyOutDir: false, target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
  test: { name: "app", include: ["src/**/*.test.{ts,tsx}"], passWithNoTests: true },
});
