// Web push: a visitor who wants messages is subscribed and registered; the worker of worker.ts shows them.
//
//   a click of the visitor ─▶ push() ─▶ permission ─▶ worker ─▶ subscription ─▶ PushService.Subscribe, with the write key
//                                                        ▲            ▲
//                                       /pistats-sw.js of the page's  the site's public key, of PushService.GetPushKey
//                                       own origin (a rule of browsers)
//
// What the worker needs to tell a click (where piStats is, the write key, the visitor's id) is left for it in the page's cache: a
// worker has no localStorage, and an address of it would be in other people's logs.
import { field, frame, toBytes, utf8, type Bytes } from "./encode.js";
import { read } from "./answer.js";

export interface PushOptions {
  /** Address of piStats. */
  host: string;
  /** The site's write key. */
  key: string;
  /** Where the worker lies on the page's own origin; /pistats-sw.js by default. */
  worker?: string | undefined;
}

/** `unsupported`: this browser, this page (no TLS), or a visitor who has no id here. */
export type PushState = "subscribed" | "denied" | "unsupported" | "failed";

/** Of the worker and the page: what is left in the cache. */
export interface Left {
  host: string;
  key: string;
  visitor: string;
}

export const CACHE = "pistats";
export const PLACE = "/.pistats-push";

const text = (number: number, value: string): Bytes => field(number, utf8(value));
const bytes = (number: number, value: ArrayBuffer | null): Bytes => field(number, String.fromCharCode(...new Uint8Array(value || [])));

/** A call of PushService; the answer's bytes behind the frame. Throws what the server says. */
const call = async ({ host, key }: Left | PushOptions, name: string, message: Bytes): Promise<Uint8Array> => {
  const response = await fetch(`${host}/pistats.push.v1.PushService/${name}`, {
    method: "POST",
    headers: { "content-type": "application/grpc-web+proto", authorization: "Bearer " + key },
    body: toBytes(frame(message)),
    credentials: "omit",
  });
  const body = new Uint8Array(await response.arrayBuffer());
  const { status, message: says } = read(response.headers, body);
  if (status) throw Error(says || "status " + status);
  return body.subarray(5);
};

/** SubscribeRequest. */
export const subscribeRequest = (subscription: PushSubscription, visitor: string): Bytes => {
  let timeZone = "";
  try {
    timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  } catch {} // The site's, then.
  return (
    field(1, text(1, subscription.endpoint) + bytes(2, subscription.getKey("p256dh")) + bytes(3, subscription.getKey("auth"))) +
    text(2, visitor) +
    text(3, timeZone)
  );
};

/** Registers a subscription of the visitor. */
export const register = (left: Left, subscription: PushSubscription): Promise<unknown> =>
  call(left, "Subscribe", subscribeRequest(subscription, left.visitor));

const isSame = (subscription: PushSubscription, key: Uint8Array): boolean =>
  String(new Uint8Array(subscription.options.applicationServerKey || [])) == String(key);

/**
 * Asks the visitor, subscribes and registers. To be called by a click: browsers ask at no other time. Never throws.
 */
export const push = async (options: PushOptions): Promise<PushState> => {
  try {
    const visitor = localStorage["pistats:visitor"] as string | undefined;
    if (!visitor || !navigator.serviceWorker || !window.PushManager) return "unsupported";
    // First of all, while the click still counts as one.
    if ((await Notification.requestPermission()) != "granted") return "denied";
    const left: Left = { host: options.host.replace(/\/+$/, ""), key: options.key, visitor };
    await (await caches.open(CACHE)).put(PLACE, new Response(JSON.stringify(left)));
    await navigator.serviceWorker.register(options.worker || "/pistats-sw.js");
    const { pushManager } = await navigator.serviceWorker.ready;
    // GetPushKeyResponse is one field: its key and its length are two bytes.
    const key = (await call(left, "GetPushKey", "")).slice(2, 67);
    let subscription = await pushManager.getSubscription();
    // Of another key: this piStats cannot send to it.
    if (subscription && !isSame(subscription, key)) {
      await subscription.unsubscribe();
      subscription = null;
    }
    subscription ||= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    await register(left, subscription);
    return "subscribed";
  } catch (error) {
    console.warn("pistats push:", error);
    return "failed";
  }
};

/** Takes the subscription of this browser away. Never throws. */
export const unpush = async ({ host, key }: PushOptions): Promise<void> => {
  try {
    const subscription = await (await navigator.serviceWorker.ready).pushManager.getSubscription();
    if (!subscription) return;
    await call({ host: host.replace(/\/+$/, ""), key }, "Unsubscribe", text(1, subscription.endpoint));
    await subscription.unsubscribe();
  } catch (error) {
    console.warn("pistats push:", error);
  }
};
