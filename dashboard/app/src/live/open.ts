// Opens a Watch stream over grpc-web, with the key of the call.

import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { QueryService } from "../gen/pistats/query/v1/query_pb.js";
import type { Open } from "./feed.js";

export function openWatch(baseUrl: string): Open {
  const client = createClient(QueryService, createGrpcWebTransport({ baseUrl }));
  return (key, request, signal) => client.watch(request, { signal, headers: { authorization: `Bearer ${key}` } });
}
