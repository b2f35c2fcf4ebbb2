// The snippet, already filled in, and what came of it: waits for the first event, and turns by itself when it is there.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import { changeSite, type Site } from "../../calls/session.js";
import { Scope, type RejectedEvent } from "../../gen/pistats/admin/v1/admin_pb.js";
import { TABLES, useReport } from "../../live/use.js";
import { Copy } from "../../parts/copy.js";
import { follow } from "../../parts/follow.js";
import { Icon } from "../../parts/icons.js";
import { whole } from "../../show/numbers.js";
import { useNow } from "../../state/now.js";
import { addressOf, go } from "../../state/page.js";
import { everything } from "../../state/questions.js";
import { localDay } from "../../state/zone.js";
import { Verify } from "./verify.js";

export function Snippet({ site, instance }: { site: Site; instance: string }) {
  const [problem, setProblem] = useState("");
  const today = localDay(site.zone, useNow());
  const { answer } = useReport("traffic", site.readKey, { case: "traffic", value: everything(today) }, TABLES);
  const events = answer?.total?.events;
  const makeKey = async () => {
    try {
      const { key } = await calls(instance).admin.createKey({ siteId: site.id, scope: Scope.WRITE, name: "snippet" });
      if (key) changeSite(site.name, { writeKey: key.secret });
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  const opened = { view: "overview" as const };
  return (
    <section class="card" aria-label="Snippet">
      <h2>Put this into the head of every page</h2>
      {site.writeKey ? (
        <>
          <Copy text={snippetOf(location.origin, site.writeKey)} name="the snippet" />
          <details>
            <summary>Without scripts: a picture that counts</summary>
            <Copy text={pixelOf(location.origin, site.writeKey)} name="the picture" />
          </details>
          {!site.isCookieless && (
            <details>
              <summary>Push messages: a second script, and one file on the site's own origin</summary>
              <ol class="numbered">
                <li>Put <a href="/js/pistats-sw.js" download="pistats-sw.js">pistats-sw.js</a> at the root of the site, as <code>/pistats-sw.js</code>: browsers take a service worker from nowhere else.</li>
                <li>Add this after the snippet: <Copy text={pushOf(location.origin)} name="the second script" /></li>
                <li>Ask on a click, and nowhere else: <Copy text={`<button onclick="pistats('push')">Tell me</button>`} name="the question" /></li>
              </ol>
            </details>
          )}
        </>
      ) : (
        <p>This browser does not know a write key of the site. <button type="button" class="button is-main" onClick={() => void makeKey()}>Make one for the snippet</button></p>
      )}
      {problem && <p class="problem" role="alert">{problem}</p>}
      <div class={`first-event${events ? " is-there" : ""}`} role="status">
        {events ? (
          <><Icon name="check" /> <span>Events arrive: {whole(events)} so far.</span> <a class="button is-main" href={addressOf(opened)} onClick={(event) => follow(event, () => go(opened))}>See the numbers</a></>
        ) : (
          <><span class="dot is-waiting" /> <span>Waiting for the first event. This turns by itself when it arrives.</span></>
        )}
      </div>
      {events === 0n && <Refusals site={site} instance={instance} />}
      {site.writeKey && <Verify site={site} writeKey={site.writeKey} isWaiting={!events} />}
    </section>
  );
}

export function snippetOf(host: string, writeKey: string): string {
  return `<script defer src="${host}/js/p.js" data-key="${writeKey}"></script>`;
}

export function pixelOf(host: string, writeKey: string): string {
  return `<noscript><img src="${host}/pixel.gif?key=${writeKey}" alt="" width="1" height="1"></noscript>`;
}

export function pushOf(host: string): string {
  return `<script defer src="${host}/js/p.extra.js" data-push></script>`;
}

/** While nothing is counted: what came and was refused, looked for every three seconds. */
function Refusals({ site, instance }: { site: Site; instance: string }) {
  const [latest, setLatest] = useState<RejectedEvent>();
  useEffect(() => {
    const look = () => {
      calls(instance).admin.listRejectedEvents({ siteId: site.id, limit: 1 }).then(({ events }) => setLatest(events[0])).catch(() => undefined);
    };
    look();
    const timer = setInterval(look, 3000);
    return () => clearInterval(timer);
  }, [site.id, instance]);
  if (!latest) return null;
  return <p class="problem" role="alert">An event arrived and was refused: {latest.message} <span class="hint">({latest.field})</span></p>;
}
