// What pages of a browser context send to the collector, read with the generated types.
import { fromBinary } from "@bufbuild/protobuf";
import type { BrowserContext, Request } from "@playwright/test";
import { CollectRequestSchema, type Event } from "../../app/src/gen/pistats/ingest/v1/ingest_pb.js";

export interface Call {
  url: string;
  headers: Record<string, string>;
  events: Event[];
}

/** Every call from now on, in order. The bytes of a beacon cannot be seen here: its `events` are empty. */
export function watchCalls(context: BrowserContext): Call[] {
  const calls: Call[] = [];
  context.on("request", (request: Request) => {
    const rpc = request.url().endsWith("/pistats.ingest.v1.IngestService/Collect");
    if (request.method() != "POST" || !(rpc || request.url().includes("/collect?"))) return;
    const body = request.postDataBuffer();
    const events = rpc && body ? fromBinary(CollectRequestSchema, body.subarray(5)).events : [];
    calls.push({ url: request.url(), headers: request.headers(), events });
  });
  return calls;
}
