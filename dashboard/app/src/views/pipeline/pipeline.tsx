// How events travel: how fresh the numbers are, what waits, what was dropped and why, who folds which partition; what was refused,
// and the log read again as a repair. Asked for once a second while it is seen: these are of the server, not of a site.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import type { Site } from "../../calls/session.js";
import type { ListPartitionsResponse } from "../../gen/pistats/aggregate/v1/aggregate_pb.js";
import { Downloads } from "../../parts/downloads.js";
import { Glow } from "../../parts/glow.js";
import { Waiting } from "../../parts/state.js";
import { Term } from "../../parts/term.js";
import { bytes, decimal, latency, whole } from "../../show/numbers.js";
import { useSession } from "../context.js";
import { Refused } from "./refused.js";
import { Replay } from "./replay.js";

const EVERY_MS = 1_000;

export function Pipeline({ site }: { site: Site | undefined }) {
  const { instance } = useSession();
  const [found, setFound] = useState<ListPartitionsResponse>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    if (!instance) return;
    let timer: ReturnType<typeof setTimeout>;
    const ended = new AbortController();
    const look = async () => {
      try {
        if (document.visibilityState === "visible") setFound(await calls(instance).aggregate.listPartitions({}, { signal: ended.signal, timeoutMs: 5_000 }));
        setProblem("");
      } catch (error) {
        if (!ended.signal.aborted) setProblem(sentence(error));
      }
      if (!ended.signal.aborted) timer = setTimeout(() => void look(), EVERY_MS);
    };
    void look();
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [instance]);
  if (!instance) return null;
  return (
    <>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {found ? <><Figures found={found} /><Partitions found={found} /></> : !problem && <section class="card"><Waiting /></section>}
      <Drops found={found} />
      <Replay instance={instance} partitions={found?.partitions.map(({ partition }) => partition) ?? []} />
      {site && site.id > 0 && <Refused site={site} instance={instance} />}
    </>
  );
}

function Figures({ found }: { found: ListPartitionsResponse }) {
  const lag = found.partitions.reduce((sum, { lag: records }) => sum + records, 0n);
  const duplicates = found.partitions.reduce((sum, partition) => sum + partition.duplicates, 0n);
  const rate = found.partitions.reduce((sum, { eventsPerSecond }) => sum + eventsPerSecond, 0);
  const upkeep = found.upkeep;
  const figures: [name: string, value: string, definition: string][] = [
    ["Fresh to", latency(Number(found.freshnessUs)), "Time from the collector's receipt to the commit of the newest committed record."],
    ["Lag", whole(lag), "Records in the log that are not committed yet, of all partitions."],
    ["Events a second", decimal(rate, 1), "Events committed a second: mean over ten seconds."],
    ["Duplicates removed", whole(duplicates), "Events that came again (the same id) since the process started. Each counted once."],
    ["Commits", whole(found.commits), "Since the process started."],
    ["Last commit", latency(Number(found.lastCommitUs)), "How long the last commit took."],
    ...(upkeep ? ([
      ["Hours behind", whole(upkeep.dirtyHours), "Hours whose rollups are behind: reports read their raw rows meanwhile."],
      ["Days behind", whole(upkeep.dirtyDays), "Days whose sheets are behind: reports read their raw rows meanwhile."],
      ["Bitmaps", bytes(Number(upkeep.bitmapBytes)), `Sets of visitors by day and value: ${whole(upkeep.bitmaps)} of ${whole(upkeep.builtDays)} days.`],
    ] as [string, string, string][]) : []),
  ];
  return (
    <section class="card" aria-label="Pipeline">
      <div class="totals">
        {figures.map(([name, value, definition]) => (
          <div key={name} class="total is-plain" data-metric={name}>
            <span class="total-name"><Term definition={definition}>{name}</Term></span>
            <span class="total-number"><Glow value={value} of={name}>{value}</Glow></span>
          </div>
        ))}
      </div>
      <footer class="card-foot"><Downloads what="the pipeline" name={["pipeline"]} table={() => ({ columns: ["what", "value"], rows: figures.map(([name, value]) => [name, value]) })} /></footer>
      {found.unreachable.map((text) => <p key={text} class="problem">Not counted, because it does not answer: {text}</p>)}
    </section>
  );
}

function Partitions({ found }: { found: ListPartitionsResponse }) {
  const columns = ["partition", "first_offset", "next_offset", "checkpoint", "lag", "owner", "events", "events_per_second", "duplicates"];
  return (
    <section class="card" aria-label="Partitions">
      <header class="card-head"><h2><Term definition="Events of one visitor meet in one partition: hash of site and visitor. One process folds each.">Partitions</Term></h2>
        <Downloads what="partitions" name={["partitions"]} table={() => ({ columns, rows: found.partitions.map((one) => [one.partition, one.firstOffset, one.nextOffset, one.checkpoint, one.lag, one.owner, one.events, one.eventsPerSecond, one.duplicates]) })} />
      </header>
      <div class="wide" tabIndex={0} role="region" aria-label="Partitions">
        <table class="table">
          <thead><tr><th scope="col">No.</th><th scope="col">Owner</th>
            {([["Log", "Offsets of the log that can be read."], ["Checkpoint", "The first offset that is not committed yet."], ["Lag", "Records not committed yet."], ["Events", "Committed since the process started."], ["A second", "Mean over ten seconds."], ["Duplicates", "Removed since the process started."]] as const).map(([name, definition]) => (
              <th key={name} scope="col" class="is-number"><Term definition={definition}>{name}</Term></th>
            ))}
          </tr></thead>
          <tbody>
            {found.partitions.map((one) => (
              <tr key={one.partition}>
                <th scope="row">{one.partition}</th>
                <td>{one.owner || <span class="problem">nobody, for the moment</span>}</td>
                <td class="is-number">{whole(one.firstOffset)} – {whole(one.nextOffset)}</td>
                <td class="is-number">{whole(one.checkpoint)}</td>
                <td class="is-number"><Glow value={one.lag} of="lag">{whole(one.lag)}</Glow></td>
                <td class="is-number"><Glow value={one.events} of="events">{whole(one.events)}</Glow></td>
                <td class="is-number">{decimal(one.eventsPerSecond, 1)}</td>
                <td class="is-number">{whole(one.duplicates)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Drops({ found }: { found: ListPartitionsResponse | undefined }) {
  const drops = (found?.drops ?? []).filter(({ count }) => count > 0n);
  return (
    <section class="card" aria-label="Drops">
      <header class="card-head"><h2><Term definition="Events that do not count, by reason, since the process started. Refused ones are kept below; duplicates are there once.">Dropped, by reason</Term></h2>
        <Downloads what="drops" name={["drops"]} table={() => ({ columns: ["reason", "events"], rows: drops.map(({ reason, count }) => [reason, count]) })} />
      </header>
      {drops.length === 0 ? <p class="hint">Nothing was dropped since the process started.</p> : (
        <dl class="facts">{drops.map(({ reason, count }) => <div key={reason}><dt>{reason.replace(/_/g, " ").toLowerCase()}</dt><dd><Glow value={count} of={reason}>{whole(count)}</Glow></dd></div>)}</dl>
      )}
    </section>
  );
}
