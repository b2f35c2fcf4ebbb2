// What pages tell beyond views and events of their own; each part is asked for by itself.
//
//   outbound     outbound_link   { url }              a click on a link to another host
//   downloads    file_download   { url }              a click on a link to a file
//   forms        form_submit     { form, action }     a form that is sent; never what is in it
//   notFound     not_found       { path }             a page that the server answered with 404
//   engagement   engagement      { seconds, scroll }  how long a page was visible, how far down it was seen
//
// Engagement, exactly: the time between a page's view and its end during which `document.visibilityState` was "visible". It
// ends when the page is hidden, left, or followed by another one of a single-page app; each time an event tells the time
// since the last one, in whole seconds (less is carried over to the next part of the same page), so that a page's events add
// up to its visible time. `scroll` is the deepest part of the page, in per cent, that was in view until then.
//
// Seconds are a property and no value: values are summed up as the site's money. These events count as events: a visit of one
// page with an engagement event is no bounce any more, and lasts as long as it was seen.
import type { Tracker } from "./core.js";

export interface Extra {
  outbound?: boolean | undefined;
  /** Endings that are files; `true`: those of FILES. */
  downloads?: boolean | string | undefined;
  forms?: boolean | undefined;
  notFound?: boolean | undefined;
  engagement?: boolean | undefined;
}

export const FILES =
  "pdf,doc,docx,xls,xlsx,ppt,pptx,odt,ods,odp,txt,rtf,csv,epub,zip,gz,tgz,bz2,xz,7z,rar,exe,msi,dmg,pkg,deb,rpm,apk,iso,mp3,wav,ogg,flac,mp4,avi,mov,mkv,webm";

const guard =
  <T extends unknown[]>(act: (...given: T) => void): ((...given: T) => void) =>
  (...given) => {
    try {
      act(...given);
    } catch {} // Nothing may break the page.
  };

/** Before the tracker's own listeners, so that what is told while a page is left still goes with its last beacon. */
const on = (target: EventTarget, name: string, act: (event: any) => void): void =>
  target.addEventListener(name, guard(act), true);

const clicks = (tracker: Tracker, { outbound, downloads }: Extra): void => {
  const endings = (downloads === true ? FILES : downloads || "").toLowerCase().split(/[\s,.]+/);
  const isFile = (path: string): boolean => /\.\w+$/.test(path) && endings.includes(path.split(".").pop()!.toLowerCase());
  const clicked = (event: MouseEvent): void => {
    // The middle button opens a link, too; the right one does not.
    if (event.button > 1) return;
    // Through the borders of components.
    const link = event.composedPath().find((each) => (each as Element).matches?.("a[href],area[href]")) as HTMLAnchorElement | undefined;
    if (!link || !/^https?:$/.test(link.protocol)) return;
    const details = { props: { url: link.href } };
    if (downloads && (link.hasAttribute("download") || isFile(link.pathname))) tracker.track("file_download", details);
    else if (outbound && link.host != location.host) tracker.track("outbound_link", details);
  };
  on(document, "click", clicked);
  on(document, "auxclick", clicked);
};

const forms = (tracker: Tracker): void =>
  on(document, "submit", (event: SubmitEvent) => {
    const form = event.target as HTMLFormElement;
    // Read as attributes: a field named `action` would hide the property.
    const action = new URL(form.getAttribute("action") || "", location.href);
    tracker.track("form_submit", { props: { form: form.getAttribute("id") || form.getAttribute("name") || "", action: action.origin + action.pathname } });
  });

const notFound = (tracker: Tracker): void => {
  const [entry] = performance.getEntriesByType("navigation");
  if ((entry as { responseStatus?: number } | undefined)?.responseStatus == 404) tracker.track("not_found", { props: { path: location.pathname } });
};

const engagement = (tracker: Tracker): void => {
  /** Milliseconds seen and not told yet. */
  let seen = 0;
  /** When the page became visible; 0: it is not. */
  let since = 0;
  let deepest = 0;
  const look = (): void => {
    const part = (scrollY + innerHeight) / document.documentElement.scrollHeight;
    deepest = Math.max(deepest, Math.min(100, Math.round(part * 100)));
  };
  const visible = (): void => {
    if (!document.hidden) since ||= performance.now();
  };
  /** `url`: of the page that ends, where the address has changed already. */
  const tell = (url?: string): void => {
    look();
    if (since) seen += performance.now() - since;
    since = 0;
    const seconds = Math.floor(seen / 1000);
    if (!seconds) return;
    seen -= seconds * 1000;
    tracker.track("engagement", { ...(url && { url }), props: { seconds, scroll: deepest } });
  };
  on(document, "visibilitychange", () => (document.hidden ? tell() : visible()));
  on(window, "pagehide", () => tell());
  on(window, "pageshow", visible);
  on(document, "scroll", look);
  on(window, "pistats:view", (event: CustomEvent<string>) => {
    tell(event.detail);
    seen = deepest = 0;
    visible();
  });
  visible();
};

export const extra = (tracker: Tracker, options: Extra): void => {
  if (options.outbound || options.downloads) guard(clicks)(tracker, options);
  if (options.forms) guard(forms)(tracker);
  if (options.notFound) guard(notFound)(tracker);
  if (options.engagement) guard(engagement)(tracker);
};
