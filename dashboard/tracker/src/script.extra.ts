// /js/p.extra.js: what pages tell beyond views and events of their own, for a script tag after the tracker's.
//
//   <script defer src="https://HOST/js/p.extra.js" data-outbound data-downloads data-engagement></script>
//
// Each attribute is a switch; without any it does nothing: data-outbound, data-downloads (or data-downloads="pdf,zip"),
// data-forms, data-not-found, data-engagement, data-push (or data-push="/path/of/pistats-sw.js").
//
// With data-push, pistats("push") asks the visitor for messages, and pistats("unpush") takes that back.
import type { Tracker } from "./core.js";
import { extra, type Extra } from "./extra.js";
import { push, unpush, type PushOptions } from "./push.js";

type Global = ((name: unknown, details?: unknown) => unknown) & Partial<Tracker>;

try {
  const script = (document.currentScript || document.querySelector('script[src*="p.extra.js"]')) as HTMLScriptElement;
  const options: Record<string, unknown> = {};
  // An attribute without a value is a switch.
  for (const name in script.dataset) options[name] = script.dataset[name] || true;
  const page = window as unknown as { pistats?: Global };
  const start = (): void => {
    const tracker = page.pistats;
    if (!tracker?.track) return;
    extra(tracker as Tracker, options as Extra);
    if (!options["push"]) return;
    // Of the tracker's own tag.
    const { src, dataset } = document.querySelector("script[data-key]") as HTMLScriptElement;
    const worker = options["push"] === true ? undefined : options["push"];
    const of = { host: dataset["host"] || new URL(src).origin, key: dataset["key"], worker } as PushOptions;
    const call: Global = (name, details) => (name == "push" ? push(of) : name == "unpush" ? unpush(of) : tracker(name, details));
    page.pistats = Object.assign(call, tracker);
  };
  // The tracker may come later: it stands after this script, or is loaded without an order.
  if (page.pistats?.track) start();
  else addEventListener("load", start);
} catch {} // Nothing may break the page.
