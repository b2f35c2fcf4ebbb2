// Reads the log again from a position, as a repair, and shows how far it is.

import { useEffect, useRef, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import type { ReplayResponse } from "../../gen/pistats/aggregate/v1/aggregate_pb.js";
import { Term } from "../../parts/term.js";
import { percent, whole } from "../../show/numbers.js";

export function Replay({ instance, partitions }: { instance: string; partitions: number[] }) {
  const [from, setFrom] = useState("");
  const [progress, setProgress] = useState<ReplayResponse>();
  const [problem, setProblem] = useState("");
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const start = async (event: Event) => {
    event.preventDefault();
    const ended = (running.current = new AbortController());
    setProblem("");
    setProgress(undefined);
    const position = from ? { case: "appendedAtUs" as const, value: BigInt(Date.parse(from)) * 1000n } : { case: "first" as const, value: true };
    try {
      for await (const message of calls(instance).aggregate.replay({ position: { position } }, { signal: ended.signal })) setProgress(message);
    } catch (error) {
      if (!ended.signal.aborted) setProblem(sentence(error));
    }
    running.current = undefined;
  };
  const isRunning = progress !== undefined && !progress.done && !problem;
  const share = progress && progress.recordsTotal > 0n ? Number(progress.records) / Number(progress.recordsTotal) : progress?.done ? 1 : 0;
  return (
    <section class="card" aria-label="Replay">
      <header class="card-head"><h2><Term definition="Reads the log again: what is there stays as it is, what is missing is filled in. Nothing is counted twice, and live work goes on.">Replay</Term></h2></header>
      <form class="key-new" onSubmit={(event) => void start(event)}>
        <label>Appended from <input class="input" type="datetime-local" step="1" value={from} onInput={(event) => setFrom(event.currentTarget.value)} /></label>
        <span class="hint">{from ? "" : "Empty: from the oldest record that is kept."}</span>
        <button type="submit" class="button" disabled={isRunning || partitions.length === 0}>Replay</button>
        {isRunning && <button type="button" class="button" onClick={() => running.current?.abort()}>Stop watching</button>}
      </form>
      {progress && (
        <div role="status">
          <progress value={share} max={1} aria-label="Replay">{percent(share)}</progress>
          <p>{progress.done ? "Done: " : ""}{whole(progress.records)} of {whole(progress.recordsTotal)} records, {whole(progress.events)} events: {whole(progress.unchanged)} were there, {whole(progress.repaired)} were missing and are there again.</p>
        </div>
      )}
      {problem && <p class="problem" role="alert">{problem}</p>}
    </section>
  );
}
