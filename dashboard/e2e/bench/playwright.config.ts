// The benches of this folder: as the tests are run, and never among them.
import base from "../playwright.config.js";

export default { ...base, testDir: ".", testMatch: "*.bench.ts" };
