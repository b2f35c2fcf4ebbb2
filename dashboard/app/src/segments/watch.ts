// A segment watched: its size, who enters and leaves, from the moment that the page is opened.
//
// The stream is the server's WatchSegment: a snapshot, then numbered deltas. Cut, it begins again with a snapshot, which counts
// nobody as entered. It is open while the page is seen: browsers allow few connections a host, and reports have theirs elsewhere.

import { Code } from "@connectrpc/connect";
import { useEffect, useState } from "preact/hooks";
import { calls } from "../calls/clients.js";
import { codeOf, sentence } from "../calls/failure.js";
import { Cause, type WatchSegmentResponse } from "../gen/pistats/segment/v1/segment_pb.js";

export interface Move {
  atMs: number;
  size: number;
  entered: string[];
  left: string[];
  /** How many they are; only some are named. */
  counts: [entered: number, left: number];
  cause: Cause;
}

export interface Watched {
  /** Absent until the first message. */
  size?: number;
  version: number;
  entered: number;
  left: number;
  /** The sizes, oldest first: the one at the opening, and each that followed. */
  moves: Move[];
  problem?: string;
}

/** Sizes that are kept; older ones go. */
const MOST_MOVES = 500;
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 10_000;

const NOTHING: Watched = { version: 0, entered: 0, left: 0, moves: [] };

/** The next state after a message. Pure. */
export function take(before: Watched, message: WatchSegmentResponse): Watched {
  const { size, entered, left, version, nowUs, cause, enteredVisitors, leftVisitors } = message;
  const isFirst = message.sequence === 0n;
  const move: Move = {
    atMs: Number(nowUs / 1000n), size: Number(size), entered: enteredVisitors, left: leftVisitors, counts: isFirst ? [0, 0] : [Number(entered), Number(left)], cause,
  };
  return {
    size: Number(size), version, entered: before.entered + move.counts[0], left: before.left + move.counts[1], moves: [...before.moves, move].slice(-MOST_MOVES),
  };
}

export function useSegment(key: string | undefined, id: string): Watched {
  const [watched, setWatched] = useState<Watched>(NOTHING);
  useEffect(() => {
    if (!key) return;
    let running: AbortController | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wait = FIRST_WAIT_MS;
    const run = async (ended: AbortController) => {
      try {
        for await (const message of calls(key).segment.watchSegment({ id }, { signal: ended.signal })) {
          wait = FIRST_WAIT_MS;
          setWatched((before) => take(before, message));
        }
      } catch (error) {
        if (ended.signal.aborted) return;
        const isFinal = [Code.NotFound, Code.Unauthenticated, Code.PermissionDenied, Code.InvalidArgument].includes(codeOf(error));
        setWatched((before) => ({ ...before, problem: sentence(error) }));
        if (isFinal) return;
      }
      if (!ended.signal.aborted) timer = setTimeout(start, wait);
      wait = Math.min(2 * wait, LAST_WAIT_MS);
    };
    const stop = () => {
      running?.abort();
      clearTimeout(timer);
    };
    const start = () => void run((running = new AbortController()));
    const seen = () => {
      stop();
      if (!document.hidden) start();
    };
    document.addEventListener("visibilitychange", seen);
    seen();
    return () => {
      document.removeEventListener("visibilitychange", seen);
      stop();
    };
  }, [key, id]);
  return watched;
}
