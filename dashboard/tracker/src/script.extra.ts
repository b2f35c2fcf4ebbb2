// /js/p.extra.js: what pages tell beyond views and events of their own, for a script tag after the tracker's.
//
//   <script defer src="https://HOST/js/p.extra.js" data-outbound data-downloads data-engagement></script>
//
// Each attribute is a switch; without any it does nothing: data-outbound, data-downloads (or data-downloads="pdf,zip"),
// data-forms, data-not-found, data-engagement.
import type { Tracker } from "./core.js";
import { extra, type Extra } from "./extra.js";

try {
  const script = (document.currentScript || document.querySelector('script[src*="p.extra.js"]')) as HTMLScriptElement;
  const options: Record<string, unknown> = {};
  // An attribute without a value is a switch.
  for (const name in script.dataset) options[name] = script.dataset[name] || true;
  const start = (): void => {
    const tracker = (window as { pistats?: Partial<Tracker> }).pistats;
    if (tracker?.track) extra(tracker as Tracker, options as Extra);
  };
  // The tracker may come later: it stands after this script, or is loaded without an order.
  if ((window as { pistats?: Partial<Tracker> }).pistats?.track) start();
  else addEventListener("load", start);
} catch {} // Nothing may break the page.
