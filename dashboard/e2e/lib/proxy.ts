// A stand between pages and the server: passes everything on, and keeps what pages send to the collector as the wire had it.
//
//   page ──▶ Proxy (an origin of its own, as the server has one) ──▶ server
//
// Why not Playwright's own events: they end with the page, and what a closed page still sends (a beacon, above all) is seen by
// nobody but who receives it. Here its headers and bytes are seen, and a test may let calls hang as they do in a page that ends.
import { fromBinary } from "@bufbuild/protobuf";
import { createServer, request as forward, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import { CollectRequestSchema, type Event } from "../../app/src/gen/pistats/ingest/v1/ingest_pb.js";

export interface Received {
  kind: "call" | "beacon";
  headers: IncomingMessage["headers"];
  /** The body as it came, without the frame of grpc-web. */
  events: Event[];
  /** What the server answered; 0: it was never asked. */
  status: number;
}

export class Proxy {
  /** What pages sent, in the order of its arrival. */
  readonly received: Received[] = [];
  /** How often a browser asked first whether it may send a beacon. */
  preflights = 0;
  /** From now on calls get no answer, as if the page were gone before it came. Beacons go through. */
  hangsCalls = false;

  /** Calls that the stand answers itself, by path: the message of the request in, that of the answer out. */
  readonly answers = new Map<string, (message: Uint8Array) => Uint8Array>();

  private constructor(private readonly server: HttpServer, readonly origin: string) {}

  static async serve(url: string): Promise<Proxy> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = server.address();
    const proxy = new Proxy(server, `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`);
    server.on("request", (request, response) => void proxy.#pass(url, request, response));
    return proxy;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  get beacons(): Received[] {
    return this.received.filter(({ kind }) => kind === "beacon");
  }

  async #pass(url: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    const seen = this.#seen(request, body);
    if (seen?.kind === "call" && this.hangsCalls) return;
    const answer = request.method === "POST" ? this.answers.get(request.url ?? "") : undefined;
    if (answer) return respond(response, answer(body.subarray(5)));
    const { host: _, ...headers } = request.headers;
    const onward = forward(url + request.url, { method: request.method ?? "GET", headers }, (answer) => {
      if (seen) seen.status = answer.statusCode ?? 0;
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    onward.end(body);
  }

  #seen(request: IncomingMessage, body: Buffer): Received | undefined {
    if (request.method === "OPTIONS" && request.url?.startsWith("/collect?")) this.preflights++;
    if (request.method !== "POST") return undefined;
    const isCall = request.url?.endsWith("/pistats.ingest.v1.IngestService/Collect");
    if (!isCall && !request.url?.startsWith("/collect?key=")) return undefined;
    const { events } = fromBinary(CollectRequestSchema, isCall ? body.subarray(5) : body);
    const seen: Received = { kind: isCall ? "call" : "beacon", headers: request.headers, events, status: 0 };
    this.received.push(seen);
    return seen;
  }
}

/** An answer over grpc-web that any page may read. */
function respond(response: ServerResponse, message: Uint8Array): void {
  const frame = (flag: number, bytes: Uint8Array) => {
    const head = Buffer.alloc(5, flag);
    head.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([head, bytes]);
  };
  response.writeHead(200, { "content-type": "application/grpc-web+proto", "access-control-allow-origin": "*" });
  response.end(Buffer.concat([frame(0, message), frame(0x80, Buffer.from("grpc-status: 0\r\n"))]));
}
