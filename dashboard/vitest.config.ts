// `npm test`: the unit tests of every part. What needs a browser and a server is in e2e/.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { projects: ["tracker", "app"] },
});
