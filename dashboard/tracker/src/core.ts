// The tracker: what a page does becomes events; events go to the collector, each until it is acknowledged.
//
//   track ─▶ encode ─▶ queue ─▶ Collect over grpc-web ─▶ acknowledged: it leaves the queue
//                        │          └ no answer, or come again: the same ids, later
//                        └ the page goes: the same bytes by beacon; they stay in the queue until a call acknowledges them
//
// One request is under way at a time; what happens meanwhile goes with the next one.
//
// It never throws into the page: every way in (call, event, timer, patched function) is guarded. What guards do not cover is
// the page's own code, which runs outside of them and throws as it did.
import { encode, frame, request, toBytes, type Bytes } from "./encode.js";
import { read } from "./answer.js";
import { newId } from "./id.js";
import { queue, type Box } from "./queue.js";

export interface Options {
  /** Address of piStats, such as https://stats.example.org */
  host: string;
  /** The site's write key. */
  key: string;
  /** Stores nothing and sends no visitor id; the site must be cookieless, too: the collector then derives it. */
  cookieless?: boolean | undefined;
  /** Does nothing where the browser says Do Not Track or Global Privacy Control. */
  respectDnt?: boolean | undefined;
  /** The part after # is part of the page. */
  hash?: boolean | undefined;
  /** Page views are told by `view()` alone. */
  manual?: boolean | undefined;
  /** Tells on the console what it does. */
  debug?: boolean | undefined;
}

export interface Details {
  /** Text, numbers, yes or no; what has parts is written as JSON. */
  props?: Readonly<Record<string, unknown>> | undefined;
  /** What it was worth, in the site's unit. */
  value?: number | undefined;
  topics?: readonly string[] | undefined;
  /** Instead of the page's own address. */
  url?: string | undefined;
  referrer?: string | undefined;
  title?: string | undefined;
}

export interface Tracker {
  /** Tells an event. */
  track(name: string, details?: Details): void;
  /** Tells a page view. */
  view(details?: Details): void;
  /** Names the user for all that follows, on later pages too; without a name nobody is named any more. */
  identify(user?: string | null): void;
}

export const create = (options: Options): Tracker => {
  const page = window;
  const { key, debug } = options;
  const host = options.host.replace(/\/+$/, "");

  const log = (...what: unknown[]): void => {
    if (debug) console.log("pistats:", ...what);
  };
  const guard =
    <T extends unknown[]>(act: (...given: T) => void): ((...given: T) => void) =>
    (...given) => {
      try {
        act(...given);
      } catch (error) {
        log(error);
      }
    };
  const tell = (what: string, detail: unknown): void => {
    log(what, detail);
    page.dispatchEvent(new CustomEvent("pistats:" + what, { detail }));
  };
  const on = (target: EventTarget, name: string, act: (event: any) => void): void =>
    target.addEventListener(name, guard(act));

  /** What is remembered: in localStorage, or as long as the page lives where nothing may be stored. */
  let box: Box = { "pistats:visitor": options.cookieless ? "" : newId() };
  if (!options.cookieless)
    guard(() => {
      const storage = localStorage as unknown as Box;
      storage["pistats:visitor"] ||= newId();
      box = storage;
    })();
  const unsent = queue(key, box, (count) => tell("dropped", count));
  /** What a beacon took along; it stays in the queue, but needs no second beacon. */
  const beaconed = new Set<string>();
  let timer: unknown;
  let busy = false;
  let halted = false;
  let failures = 0;

  const sealed = (names: readonly string[]): Bytes => request(names.map(unsent.get), Date.now() * 1e3);

  const later = (wait = 0): void => {
    timer ||= setTimeout(() => {
      timer = 0;
      send();
    }, wait);
  };

  const send = async (): Promise<void> => {
    if (busy) return;
    try {
      for (let names; !halted && (names = unsent.take()).length; ) {
        busy = true;
        const response = await fetch(host + "/pistats.ingest.v1.IngestService/Collect", {
          method: "POST",
          headers: { "content-type": "application/grpc-web+proto", authorization: "Bearer " + key },
          body: toBytes(frame(sealed(names))),
          credentials: "omit",
          // Half a minute without an answer is a failure like any other.
          signal: AbortSignal.timeout?.(3e4),
        } as RequestInit);
        const { status, message, rejections } = read(response.headers, new Uint8Array(await response.arrayBuffer()));
        if (status == 7 || status == 16) {
          // The key or the origin: no repetition helps, and whoever set it up must see it.
          halted = true;
          console.warn("pistats stopped:", message);
        } else if (status && status != 3 && status != 11) throw message || status;
        else {
          // On disk; or refused as a whole, which sending it again would not change.
          unsent.drop(names);
          failures = 0;
          log("sent", names.length);
          for (const each of status ? [{ message }] : rejections) tell("rejected", each);
        }
      }
    } catch (error) {
      log("later:", error);
      // A second at first, half a minute at last; half of it is chance, so that the pages of a site do not all come at once.
      later(Math.min(1e3 * 2 ** failures++, 3e4) * (0.5 + Math.random() / 2));
    }
    busy = false;
  };

  const record = (details: Details & { name?: string }, url: string, referrer: string, now: number): void => {
    if (halted) return;
    const id = newId(now);
    let timeZone: string | undefined;
    guard(() => (timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone))();
    unsent.add(
      id,
      encode({
        url,
        referrer,
        title: document.title,
        language: navigator.language,
        timeZone,
        width: screen.width,
        height: screen.height,
        ...details,
        id,
        timeUs: now * 1e3,
        visitor: box["pistats:visitor"],
        user: box["pistats:user"],
      }),
    );
    if (!failures) later();
  };

  const here = (): string => (options.hash ? location.href : location.href.split("#")[0]) as string;
  let current = "";
  let from = document.referrer;
  let pending: (() => void) | undefined;

  /** A page view that waits for its page's title is told now. */
  const settle = (): void => {
    const act = pending;
    pending = undefined;
    act?.();
  };

  const view = (details?: Details, wait?: boolean): void => {
    settle();
    const now = Date.now();
    tell("view", current); // The page that ends; empty for the first one.
    from = current || from;
    current = here();
    pending = () => record({ ...details }, current, from, now);
    if (wait) setTimeout(guard(settle));
    else settle();
  };

  /** The address changed within the page: its title follows in a moment, when the page's own code has run. */
  const moved = (): void => {
    if (here() != current) view({}, true);
  };

  const leave = (): void => {
    settle();
    if (halted) return;
    const names = unsent.take(beaconed);
    if (!names.length) return;
    const url = `${host}/collect?key=${encodeURIComponent(key)}`;
    // A text/plain body needs no preflight, which would not finish any more.
    const body = new Blob([toBytes(sealed(names))], { type: "text/plain" });
    let taken = false;
    guard(() => (taken = navigator.sendBeacon(url, body)))();
    if (!taken) fetch(url, { method: "POST", body, keepalive: true, credentials: "omit" }).catch(log);
    names.forEach((name) => beaconed.add(name));
  };

  const again = (): void => {
    clearTimeout(timer as number);
    timer = failures = 0;
    send();
  };

  const start = (): void => {
    if (!options.manual) {
      for (const name of ["pushState", "replaceState"] as const)
        guard(() => {
          const original = history[name];
          history[name] = function (this: History, ...given) {
            const result = original.apply(this, given);
            guard(moved)();
            return result;
          };
        })();
      on(page, "popstate", moved);
      on(page, "hashchange", moved);
      // Back to a page that the browser had kept as it was.
      on(page, "pageshow", (event: PageTransitionEvent) => event.persisted && view());
      view();
    }
    on(document, "visibilitychange", () => (document.hidden ? leave() : again()));
    on(page, "pagehide", leave);
    on(page, "online", again);
    later();
  };

  const off =
    (options.respectDnt && (navigator.doNotTrack == "1" || (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl)) ||
    box["pistats:off"];
  if (off) log("off");
  // A page that the browser renders ahead has not been seen by anybody yet.
  else if ((document as { prerendering?: boolean }).prerendering) on(document, "prerenderingchange", start);
  else guard(start)();

  return {
    track: guard((name, details) => {
      if (off) return;
      settle();
      record({ ...details, name }, here(), from, Date.now());
    }),
    view: guard((details) => off || view(details)),
    identify: guard((user) => {
      if (user) box["pistats:user"] = user;
      else delete box["pistats:user"];
    }),
  };
};
