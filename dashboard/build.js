// `npm run build`: everything that the program serves, into dist/.
//
//   dist/index.html, dist/assets/   the dashboard
//   dist/js/                        the tracker
//   dist/shop/                      the demo shop
//
// The parts are built one after the other into the same folder, so only this file empties it.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";

const npm = (...args) => execFileSync("npm", args, { stdio: "inherit", cwd: import.meta.dirname });

rmSync(new URL("dist", import.meta.url), { recursive: true, force: true });
npm("run", "--silent", "gen");
for (const part of ["@pistats/app", "@pistats/tracker", "@pistats/shop"]) npm("run", "--silent", "build", "-w", part);
