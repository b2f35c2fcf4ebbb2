// The contract over grpc-web, as a browser speaks it: typed clients that show one key.
import { createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { AdminService } from "../../app/src/gen/pistats/admin/v1/admin_pb.js";
import { IngestService } from "../../app/src/gen/pistats/ingest/v1/ingest_pb.js";
import { PushService } from "../../app/src/gen/pistats/push/v1/push_pb.js";
import { SegmentService } from "../../app/src/gen/pistats/segment/v1/segment_pb.js";
import { QueryService, type ExportedEvent } from "../../app/src/gen/pistats/query/v1/query_pb.js";
import { Bots } from "../../app/src/gen/pistats/query/v1/query_pb.js";

export interface Clients {
  admin: Client<typeof AdminService>;
  ingest: Client<typeof IngestService>;
  push: Client<typeof PushService>;
  query: Client<typeof QueryService>;
  segment: Client<typeof SegmentService>;
}

export function clients(url: string, key: string): Clients {
  const show: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${key}`);
    return next(request);
  };
  const transport = createGrpcWebTransport({ baseUrl: url, interceptors: [show] });
  return {
    admin: createClient(AdminService, transport),
    ingest: createClient(IngestService, transport),
    push: createClient(PushService, transport),
    query: createClient(QueryService, transport),
    segment: createClient(SegmentService, transport),
  };
}

/** Every event of the key's site that is committed, bots too, in the order (time, id). */
export async function exported(url: string, readKey: string): Promise<ExportedEvent[]> {
  const range = { range: { case: "times" as const, value: { fromUs: 0n, toUs: BigInt(Date.now() + 2 * 86_400_000) * 1000n } } };
  const events: ExportedEvent[] = [];
  for await (const part of clients(url, readKey).query.export({ range, bots: Bots.INCLUDE })) events.push(...part.events);
  return events;
}

/** A UUID as it is written, from its 16 bytes. */
export function idText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
