// Refused events of the site: why, with field and fix; sent again by a button, under today's limits.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import type { Site } from "../../calls/session.js";
import type { ListRejectedEventsResponse } from "../../gen/pistats/admin/v1/admin_pb.js";
import { Reason } from "../../gen/pistats/ingest/v1/ingest_pb.js";
import { Downloads } from "../../parts/downloads.js";
import { Empty, Waiting } from "../../parts/state.js";
import { bytes, whole } from "../../show/numbers.js";
import { instant } from "../../show/tables.js";
import { instantText } from "../../show/times.js";

const SHOWN = 200;

export function Refused({ site, instance }: { site: Site; instance: string }) {
  const [found, setFound] = useState<ListRejectedEventsResponse>();
  const [said, say] = useState("");
  const { admin } = calls(instance);
  const look = () => admin.listRejectedEvents({ siteId: site.id, limit: SHOWN }).then(setFound).catch((error: unknown) => say(sentence(error)));
  useEffect(() => {
    void look();
    const timer = setInterval(() => void look(), 5_000);
    return () => clearInterval(timer);
  }, [site.id]);
  const retry = async (ids: Uint8Array[]) => {
    try {
      const { accepted, refusedAgain, notRetryable } = await admin.retryRejectedEvents({ siteId: site.id, ids });
      say(`${whole(accepted)} accepted, ${whole(refusedAgain)} refused again, ${whole(notRetryable)} too long to be sent again.`);
      await look();
    } catch (error) {
      say(sentence(error));
    }
  };
  return (
    <section class="card" aria-label="Refused events">
      <header class="card-head"><h2>Refused events of <bdi>{site.name}</bdi></h2>
        <Downloads what="refused events" name={[site.name, "refused"]} table={() => ({
          columns: ["received", "reason", "field", "message", "payload_bytes"],
          rows: (found?.events ?? []).map((event) => [instant(event.receivedUs), reasonText(event.reason), event.field, event.message, event.payloadBytes]),
        })} />
      </header>
      {!found ? <Waiting rows={3} /> : found.events.length === 0 ? <Empty title="No event was refused"><p>What is refused is kept here, with the reason and the fix, and can be sent again.</p></Empty> : (
        <>
          <dl class="facts">{found.counts.map(({ reason, count }) => <div key={reason}><dt>{reasonText(reason)}</dt><dd>{whole(count)}</dd></div>)}</dl>
          <p class="actions"><button type="button" class="button" disabled={!found.events.some((event) => event.retryable)} onClick={() => void retry([])}>Send all again</button> <span role="status">{said}</span></p>
          <div class="wide" tabIndex={0} role="region" aria-label="Newest refused events">
            <table class="table">
              <thead><tr><th scope="col">Received</th><th scope="col">Why</th><th scope="col">Field</th><th scope="col" class="is-number">Size</th><th scope="col"><span class="sr-only">Actions</span></th></tr></thead>
              <tbody>
                {found.events.map((event) => (
                  <tr key={event.id.join()}>
                    <th scope="row">{instantText(Number(event.receivedUs / 1000n), site.zone)}</th>
                    <td class="is-text">{event.message || reasonText(event.reason)}</td>
                    <td><code>{event.field}</code></td>
                    <td class="is-number">{bytes(event.payloadBytes)}</td>
                    <td class="is-number">{event.retryable ? <button type="button" class="button" onClick={() => void retry([event.id])}>Send again</button> : <span class="hint" title="Only its first 4 KiB were kept">cut</span>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}

function reasonText(reason: Reason): string {
  return (Reason[reason] ?? String(reason)).replace(/_/g, " ").toLowerCase();
}
