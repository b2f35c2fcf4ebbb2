// A subscription of this very browser, for a test: the tracker's own worker, registered for the folder that it lies in.

import { calls } from "../calls/clients.js";
import { create } from "@bufbuild/protobuf";
import { SubscriptionSchema, type Subscription } from "../gen/pistats/push/v1/push_pb.js";

const WORKER = "/js/pistats-sw.js";

/** Asks for the permission and subscribes. Throws a sentence where that cannot be. */
export async function subscribeHere(key: string): Promise<Subscription> {
  if (!navigator.serviceWorker || !("PushManager" in window)) throw new Error("This browser, or this page without TLS, takes no push messages.");
  if ((await Notification.requestPermission()) !== "granted") throw new Error("This browser does not allow messages of this page.");
  const registration = await navigator.serviceWorker.register(WORKER);
  await active(registration);
  const { publicKey } = await calls(key).push.getPushKey({});
  const { pushManager } = registration;
  // Each site has a key of its own, and a subscription belongs to one.
  await (await pushManager.getSubscription())?.unsubscribe();
  const made = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: Uint8Array.from(publicKey) });
  const part = (name: PushEncryptionKeyName) => new Uint8Array(made.getKey(name) ?? new ArrayBuffer(0));
  return create(SubscriptionSchema, { endpoint: made.endpoint, p256dh: part("p256dh"), auth: part("auth") });
}

/** The worker at work: this page lies outside of its folder, so that `ready` never comes. */
function active({ installing, waiting, active: now }: ServiceWorkerRegistration): Promise<void> {
  const worker = installing ?? waiting;
  if (now || !worker) return Promise.resolve();
  return new Promise((done, failed) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") done();
      if (worker.state === "redundant") failed(new Error("The worker for messages did not start."));
    });
  });
}
