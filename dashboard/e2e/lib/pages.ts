// Pages of somebody else: a tiny static server on an origin of its own, for pages that carry the tracker.
//
// A page is a function of the address, so that a test can write `(path) => html` and have a whole site.
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import { readFileSync } from "node:fs";
import { extname, join, normalize, resolve } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

/** The folder that `npm run build` fills. */
export const DIST = resolve(import.meta.dirname, "../../dist");

/** What a page answers: its text, with a status where it is not 200; or nothing, and it is looked for in dist/. */
export type Page = (path: string, request: IncomingMessage) => string | { status: number; text: string } | undefined;

export interface PageOptions {
  /** Extra headers of every answer, such as a content security policy. */
  headers?: Record<string, string>;
}

export class Pages {
  private constructor(private readonly server: HttpServer, private readonly port: number) {}

  /** `127.0.0.1:PORT` */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get origin(): string {
    return `http://${this.host}`;
  }

  /** The same server under another host name, which resolves to it: another origin for a browser. */
  originAs(name: string): string {
    return `http://${name}:${this.port}`;
  }

  /** Serves `page`; what it leaves out is looked for in dist/ (`/js/p.js`, the shop, the dashboard). */
  static async serve(page: Page, options: PageOptions = {}): Promise<Pages> {
    const server = createServer((request, response) => answer(page, options, request, response));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = server.address();
    return new Pages(server, typeof address === "object" && address ? address.port : 0);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

function answer(page: Page, options: PageOptions, request: IncomingMessage, response: ServerResponse): void {
  const path = new URL(request.url ?? "/", "http://page").pathname;
  for (const [name, value] of Object.entries(options.headers ?? {})) response.setHeader(name, value);
  response.setHeader("cache-control", "no-store");
  const given = page(path, request);
  if (given !== undefined) {
    const { status, text } = typeof given == "string" ? { status: 200, text: given } : given;
    response.setHeader("content-type", TYPES[extname(path)] ?? "text/html; charset=utf-8");
    response.writeHead(status).end(text);
    return;
  }
  try {
    const file = join(DIST, normalize(path));
    const bytes = readFileSync(file);
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    response.end(bytes);
  } catch {
    response.writeHead(404).end();
  }
}

/** The snippet as people paste it, with the attributes given. */
export function snippet(host: string, key: string, attributes = ""): string {
  return `<script defer src="${host}/js/p.js" data-key="${key}" ${attributes}></script>`;
}

/** A page of a title, with the snippet in its head. */
export function html(title: string, head: string, body = ""): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>${head}</head><body>${body}</body></html>`;
}
