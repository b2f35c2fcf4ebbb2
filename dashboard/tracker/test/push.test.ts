// What a page registers, against the contract's own types.
import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { SubscribeRequestSchema, UnsubscribeRequestSchema } from "../../app/src/gen/pistats/push/v1/push_pb.js";
import { field, toBytes, utf8 } from "../src/encode.js";
import { subscribeRequest } from "../src/push.js";

test("a subscription is told as the contract has it: keys of any byte, the visitor, the browser's time zone", () => {
  const keys = { p256dh: Uint8Array.from({ length: 65 }, (_, at) => (at * 41) % 256), auth: Uint8Array.from({ length: 16 }, (_, at) => 255 - at) };
  const subscription = { endpoint: "https://push.example/ü?a=1", getKey: (name: "p256dh" | "auth") => keys[name].buffer } as unknown as PushSubscription;
  const { subscription: told, visitorId, timeZone } = fromBinary(SubscribeRequestSchema, toBytes(subscribeRequest(subscription, "visitor-1")));
  expect(told?.endpoint).toBe(subscription.endpoint);
  expect([told?.p256dh, told?.auth]).toEqual([keys.p256dh, keys.auth]);
  expect(visitorId).toBe("visitor-1");
  expect(timeZone).toBe(Intl.DateTimeFormat().resolvedOptions().timeZone);
});

test("an endpoint that is taken back is the one field of its request", () => {
  expect(fromBinary(UnsubscribeRequestSchema, toBytes(field(1, utf8("https://push.example/1")))).endpoint).toBe("https://push.example/1");
});
