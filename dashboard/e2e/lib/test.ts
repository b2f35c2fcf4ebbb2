// `test` and `expect` of all browser tests: Playwright's, with a server that the tests of a worker share.
//
// A test makes sites of its own on it (names are never used twice, see `freshName`), so that no test sees another's events.
// A test that kills or restarts a server starts its own: Server.start().
import { test as base, expect } from "@playwright/test";
import { Server } from "./server.js";

let count = 0;

/** A site name that no other test uses; no host name, so that pages of every origin may send. */
export function freshName(hint = "site"): string {
  return `${hint} ${process.pid} ${++count}`;
}

export const test = base.extend<object, { server: Server }>({
  server: [
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.stop();
    },
    { scope: "worker", timeout: 90_000 },
  ],
});

export { expect };
