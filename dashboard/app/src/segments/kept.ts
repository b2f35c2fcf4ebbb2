// The segments that a site keeps, as this page knows them: one list for all who show, choose or name them.

import { useEffect } from "preact/hooks";
import { calls } from "../calls/clients.js";
import { sentence } from "../calls/failure.js";
import type { Segment } from "../gen/pistats/segment/v1/segment_pb.js";
import { segmentNames } from "../state/segment_names.js";
import { Store, useStore } from "../state/store.js";

export interface Kept {
  /** Whose list it is: the site's read key. */
  key: string;
  /** Absent until it was asked for. */
  list?: Segment[];
  problem?: string;
}

export const kept = new Store<Kept>({ key: "" });

/** Asks for the list again; what is known stays meanwhile. */
export async function renew(key: string): Promise<void> {
  if (kept.get().key !== key) put({ key });
  try {
    const { segments } = await calls(key).segment.listSegments({});
    // Another site may have been chosen meanwhile.
    if (kept.get().key === key) put({ key, list: segments });
  } catch (error) {
    if (kept.get().key === key) kept.set({ ...kept.get(), problem: sentence(error) });
  }
}

function put(value: Kept): void {
  kept.set(value);
  segmentNames.set(new Map((value.list ?? []).map(({ id, name }) => [id, name])));
}

/** The list of the site of this read key. */
export function useKept(key: string | undefined): Kept {
  useEffect(() => {
    if (key) void renew(key);
  }, [key]);
  const found = useStore(kept);
  return found.key === key ? found : { key: key ?? "" };
}
