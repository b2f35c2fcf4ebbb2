// A campaign watched as it goes. Every message of the stream is the whole, so a cut is mended by asking again; the stream ends by
// itself when the campaign and its last messages are over. Open while the page is seen, like a segment's.

import { Code } from "@connectrpc/connect";
import { useEffect, useState } from "preact/hooks";
import { calls } from "../calls/clients.js";
import { codeOf, sentence } from "../calls/failure.js";
import { CampaignState, type Campaign, type Results } from "../gen/pistats/push/v1/push_pb.js";
import { took } from "./kept.js";

export interface Watched {
  campaign?: Campaign;
  results?: Results;
  problem?: string;
}

const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 10_000;

export const isOver = (state: CampaignState): boolean => state === CampaignState.DONE || state === CampaignState.CANCELLED;

export function useCampaign(key: string | undefined, id: string): Watched {
  const [watched, setWatched] = useState<Watched>({});
  useEffect(() => {
    if (!key || !id) return;
    let running: AbortController | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wait = FIRST_WAIT_MS;
    const run = async (ended: AbortController) => {
      let last: Campaign | undefined;
      try {
        for await (const { campaign, results } of calls(key).push.watchCampaign({ id }, { signal: ended.signal })) {
          wait = FIRST_WAIT_MS;
          last = campaign;
          if (campaign) took(key, campaign);
          setWatched({ ...(campaign ? { campaign } : {}), ...(results ? { results } : {}) });
        }
        if (last && isOver(last.state)) return;
      } catch (error) {
        if (ended.signal.aborted) return;
        setWatched((before) => ({ ...before, problem: sentence(error) }));
        if ([Code.NotFound, Code.Unauthenticated, Code.PermissionDenied, Code.InvalidArgument, Code.Unimplemented].includes(codeOf(error))) return;
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
