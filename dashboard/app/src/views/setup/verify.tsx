// Leads through the check of a page (check.ts), and shows what it found.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Site } from "../../calls/session.js";
import { Copy } from "../../parts/copy.js";
import { Icon } from "../../parts/icons.js";
import { checkText, type Verdict } from "./check.js";

export function Verify({ site, writeKey, isWaiting }: { site: Site; writeKey: string; isWaiting: boolean }) {
  // Open while the first event is waited for; who has begun a check keeps it open when events arrive.
  const [isUsed, setUsed] = useState(false);
  const [page, setPage] = useState(/\./.test(site.name) ? `https://${site.name}/` : "");
  const [verdict, setVerdict] = useState<Verdict>();
  const opened = useRef<Window | null>(null);
  const text = checkText({ host: location.origin, key: writeKey });
  useEffect(() => {
    const hear = (event: MessageEvent<{ pistats?: Verdict } | undefined>) => {
      // Only the page that was opened from here is believed.
      if (event.source === opened.current && typeof event.data?.pistats?.says === "string") setVerdict(event.data.pistats);
    };
    addEventListener("message", hear);
    return () => removeEventListener("message", hear);
  }, []);
  return (
    <details class="verify" open={isWaiting || isUsed} onFocusIn={() => setUsed(true)}>
      <summary>Nothing arrives? Let the page itself say why</summary>
      <ol class="numbered">
        <li>
          <form class="find" onSubmit={(event) => { event.preventDefault(); setVerdict(undefined); opened.current = window.open(page, "pistats-check"); }}>
            <label class="sr-only" for="page">Page</label>
            <input id="page" class="input" type="url" required placeholder="https://…" value={page} onInput={(event) => setPage(event.currentTarget.value)} />
            <button type="submit" class="button"><Icon name="open" /> Open the page</button>
          </form>
        </li>
        <li>Paste this into that page's console (F12), or drag <a class="button is-quiet" href={`javascript:void ${encodeURIComponent(text)}`} onClick={(event) => event.preventDefault()}>this check</a> to your bookmarks and press it there. <Copy text={text} name="the check" /></li>
        <li>What it finds is said in the console, and here: it tells a policy that blocks the script or the sending, another key, an origin that is not allowed, and an old copy from a cache.</li>
      </ol>
      <div role="status">
        {verdict && <p class={`verdict ${verdict.fault === "none" ? "good" : "problem"}`} data-fault={verdict.fault}><Icon name={verdict.fault === "none" ? "check" : "warn"} /> {verdict.says} <span class="hint"><bdi>{verdict.page}</bdi></span></p>}
      </div>
    </details>
  );
}
