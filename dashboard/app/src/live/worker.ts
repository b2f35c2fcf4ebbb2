// The shared worker: one hub for all tabs of the browser.

import { Hub } from "./hub.js";
import type { ToHub } from "./messages.js";
import { openWatch } from "./open.js";

// The worker's own scope; TypeScript's library of the page does not know it.
declare const self: { onconnect: ((event: MessageEvent) => void) | null; location: Location };

const hub = new Hub(openWatch(self.location.origin));

self.onconnect = (event) => {
  const port = event.ports[0];
  if (!port) return;
  hub.join({
    send: (message) => port.postMessage(message),
    onMessage: (take) => (port.onmessage = (received: MessageEvent<ToHub>) => take(received.data)),
  });
};
