// /js/p.js: the tracker for a script tag.
//
//   <script defer src="https://HOST/js/p.js" data-key="WRITE_KEY"></script>
//
// Options are attributes: data-cookieless, data-respect-dnt, data-hash, data-manual, data-debug; data-host where the script
// does not come from piStats itself.
//
// It leaves `window.pistats`: pistats("signup", { value: 9.5 }), pistats.track, pistats.view, pistats.identify. Calls made
// before it was there (a stub keeps them in pistats.q) are made up for.
import type { Details, Options, Tracker } from "./core.js";
import { init } from "./index.js";

/** The same as `track`; with an object `{ user }` the same as `identify`. */
type Global = ((name: string | { user?: string | null }, details?: Details) => void) & Partial<Tracker> & { q?: IArguments[] };

try {
  const page = window as unknown as { pistats?: Global };
  const early = page.pistats;
  // A snippet that stands twice on a page counts once.
  if (!early?.track) {
    const script = (document.currentScript || document.querySelector("script[data-key]")) as HTMLScriptElement;
    const options: Record<string, unknown> = { host: new URL(script.src).origin };
    // An attribute without a value is a switch.
    for (const name in script.dataset) options[name] = script.dataset[name] || true;
    const tracker = init(options as unknown as Options);
    const call: Global = (name, details) =>
      typeof name == "string" ? tracker.track(name, details) : tracker.identify(name && name.user);
    page.pistats = Object.assign(call, tracker);
    for (const each of early?.q || []) call(each[0], each[1]);
  }
} catch {} // Nothing may break the page, not even a tracker that cannot start.
