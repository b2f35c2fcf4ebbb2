// A private piStats: the real program on a free port, with a data folder that goes when it stops.
//
//   Server.start()  →  url, instance key            server.restart()  the same data on the same port
//   server.site()   →  a site and its keys          server.kill()     as the power goes
//
// The program is $PISTATS, else the release build of the target folder ($CARGO_TARGET_DIR, else ../../target).
// Not responsible for what is asked of it (clients.ts) nor for real inputs (data.ts).
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { clients, type Clients } from "./clients.js";
import { Scope } from "../../app/src/gen/pistats/admin/v1/admin_pb.js";

/** How long a start may take, milliseconds: a cold disk, a busy machine. */
const START_MS = 60_000;

export interface StartOptions {
  /** Believable visitors on a site `demo`. */
  demo?: boolean;
  /** Settings as the program's environment has them, such as { PISTATS_AGGREGATE__COMMIT_IDLE_MS: "20" }. */
  settings?: Record<string, string>;
}

export interface SiteOptions {
  /** IANA; UTC by default. */
  timeZone?: string;
  /** Where a write key's requests may come from; see Site.origins of the contract. */
  origins?: string[];
  cookieless?: boolean;
}

/** A site with the secrets of its first keys. */
export interface Site {
  id: number;
  name: string;
  write: string;
  server: string;
  read: string;
}

/** The program's path. Throws where it was not built. */
export function program(): string {
  const target = process.env["CARGO_TARGET_DIR"] ?? resolve(import.meta.dirname, "../../../target");
  const path = process.env["PISTATS"] ?? join(target, "release/pistats");
  if (!existsSync(path)) throw new Error(`no program at ${path}: \`make build\` makes it, or PISTATS names another`);
  return path;
}

export class Server {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly data: string;
  #child: ChildProcess | undefined;
  /** Everything the program printed, for the message of a failure. */
  #printed = "";

  private constructor(private readonly port: number, private readonly options: StartOptions) {
    this.url = `http://127.0.0.1:${port}`;
    this.data = mkdtempSync(join(tmpdir(), "pistats-e2e-"));
  }

  static async start(options: StartOptions = {}): Promise<Server> {
    const server = new Server(await freePort(), options);
    try {
      await server.#up();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** What the program printed so far; `serve` tells the sign-in link there. */
  get printed(): string {
    return this.#printed;
  }

  get instanceKey(): string {
    return readFileSync(join(this.data, "instance.key"), "utf8").trim();
  }

  /** Clients that show this key. */
  as(key: string): Clients {
    return clients(this.url, key);
  }

  /** Makes a site and its keys. A name may be made once. */
  async site(name: string, options: SiteOptions = {}): Promise<Site> {
    const { timeZone = "UTC", ...rest } = options;
    const made = await this.as(this.instanceKey).admin.createSite({ name, timeZone, ...rest });
    const secret = (scope: Scope) => made.keys.find(({ key }) => key?.scope === scope)?.secret ?? "";
    return {
      id: made.site?.id ?? 0,
      name,
      write: secret(Scope.WRITE),
      server: secret(Scope.SERVER),
      read: secret(Scope.READ),
    };
  }

  /** Runs a command of the program against this server and returns what it printed. Throws what it said when it failed. */
  async run(...args: string[]): Promise<string> {
    const child = spawn(program(), args, {
      env: { ...process.env, PISTATS_SERVER: this.url, PISTATS_DATA: this.data, PISTATS_CREDENTIALS: join(this.data, "credentials.toml") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (bytes) => (out += bytes));
    child.stderr.on("data", (bytes) => (err += bytes));
    const code = await new Promise((done) => child.on("close", done));
    if (code !== 0) throw new Error(`pistats ${args.join(" ")} failed (${code}): ${err}${out}`);
    return out;
  }

  /** Imports a file of events and waits until all can be queried. */
  async importFile(site: Site, file: string): Promise<{ accepted: number }> {
    return JSON.parse(await this.run("import", "--key", site.server, "--wait", "--json", file));
  }

  /** Ends the program in order, starts it again on the same data and port. */
  async restart(): Promise<void> {
    await this.#down("SIGTERM");
    await this.#up();
  }

  /** Ends the program as a crash does. */
  async kill(): Promise<void> {
    await this.#down("SIGKILL");
  }

  /** Starts it again after `kill`. */
  async revive(): Promise<void> {
    await this.#up();
  }

  /** Ends it in order; the data goes. */
  async stop(): Promise<void> {
    await this.#down("SIGTERM");
    rmSync(this.data, { recursive: true, force: true });
  }

  async #up(): Promise<void> {
    const args = ["serve", "--listen", `127.0.0.1:${this.port}`, "--data", this.data];
    if (this.options.demo) args.push("--demo");
    const child = spawn(program(), args, {
      env: { ...process.env, PISTATS_LOG__SEGMENT_MIB: "16", ...this.options.settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const keep = (bytes: Buffer) => (this.#printed += bytes);
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const since = Date.now();
    // Its first line comes when calls are answered.
    while (!/ on https?:\/\//.test(this.#printed) || !(await this.#answers())) {
      if (child.exitCode !== null) throw new Error(`pistats serve ended with ${child.exitCode}:\n${this.#printed}`);
      if (Date.now() - since > START_MS) throw new Error(`pistats serve did not answer in ${START_MS} ms:\n${this.#printed}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  async #answers(): Promise<boolean> {
    try {
      await this.as(this.instanceKey).admin.listSites({});
      return true;
    } catch {
      return false;
    }
  }

  async #down(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await gone;
  }
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.once("error", failed);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address ? address.port : 0;
      probe.close(() => done(port));
    });
  });
}
