// Who is in a segment: some on the page, all of them in the download.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import type { Table } from "../../show/csv.js";
import { Downloads } from "../../parts/downloads.js";
import { Empty, Waiting } from "../../parts/state.js";
import { whole } from "../../show/numbers.js";
import type { Context } from "../context.js";
import { People } from "./preview.js";

const SHOWN = 100;

export function Members({ id, context: { key, site }, moved, name }: { id: string; context: Context; moved: string; name: string }) {
  const [found, setFound] = useState<{ visitors: string[]; count: number }>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    if (!key) return;
    const ended = new AbortController();
    members(key, id, SHOWN, ended.signal).then((next) => { setFound(next); setProblem(""); }).catch((error: unknown) => ended.signal.aborted || setProblem(sentence(error)));
    return () => ended.abort();
  }, [key, id, moved]);
  const table = async (): Promise<Table> => ({ columns: ["visitor"], rows: (await members(key ?? "", id, 0)).visitors.map((visitor) => [visitor]) });
  return (
    <section class="card" aria-label="People">
      <header class="card-head"><h2>People</h2><Downloads what="people" name={[site.name, name, "people"]} table={table} /></header>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {!found ? !problem && <Waiting rows={4} /> : found.visitors.length === 0 ? <Empty title="Nobody is in it" /> : (
        <>
          <People visitors={found.visitors} />
          {found.count > found.visitors.length && <p class="hint">{whole(found.visitors.length)} of {whole(found.count)}; all of them are in the download.</p>}
        </>
      )}
    </section>
  );
}

/** 0: all of them. */
async function members(key: string, id: string, limit: number, signal?: AbortSignal): Promise<{ visitors: string[]; count: number }> {
  const visitors: string[] = [];
  let count = 0;
  for await (const part of calls(key).segment.listMembers({ id, limit: BigInt(limit) }, signal ? { signal } : {})) {
    visitors.push(...part.visitors);
    count ||= Number(part.count);
  }
  return { visitors, count };
}
