// The calls that are not watched: sites and keys, partitions, one visitor's journey, exports, values to choose from,
// segments, campaigns.

import { createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { AdminService } from "../gen/pistats/admin/v1/admin_pb.js";
import { AggregateService } from "../gen/pistats/aggregate/v1/aggregate_pb.js";
import { PushService } from "../gen/pistats/push/v1/push_pb.js";
import { QueryService } from "../gen/pistats/query/v1/query_pb.js";
import { SegmentService } from "../gen/pistats/segment/v1/segment_pb.js";

export interface Clients {
  admin: Client<typeof AdminService>;
  aggregate: Client<typeof AggregateService>;
  push: Client<typeof PushService>;
  query: Client<typeof QueryService>;
  segment: Client<typeof SegmentService>;
}

const made = new Map<string, Clients>();

/** With a key, or with none for what is open. */
export function calls(key = ""): Clients {
  let found = made.get(key);
  if (!found) {
    const showKey: Interceptor = (next) => (request) => {
      if (key) request.header.set("authorization", `Bearer ${key}`);
      return next(request);
    };
    const transport = createGrpcWebTransport({ baseUrl: location.origin, interceptors: [showKey] });
    found = {
      admin: createClient(AdminService, transport),
      aggregate: createClient(AggregateService, transport),
      push: createClient(PushService, transport),
      query: createClient(QueryService, transport),
      segment: createClient(SegmentService, transport),
    };
    made.set(key, found);
  }
  return found;
}
