// The campaigns that a site keeps, as this page knows them.

import { useEffect } from "preact/hooks";
import { calls } from "../calls/clients.js";
import { sentence } from "../calls/failure.js";
import type { Campaign } from "../gen/pistats/push/v1/push_pb.js";
import { Store, useStore } from "../state/store.js";

export interface Kept {
  /** Whose list it is: the site's read key. */
  key: string;
  list?: Campaign[];
  problem?: string;
}

const kept = new Store<Kept>({ key: "" });

/** Asks for the list again; what is known stays meanwhile. */
export async function renew(key: string): Promise<void> {
  if (kept.get().key !== key) kept.set({ key });
  try {
    const { campaigns } = await calls(key).push.listCampaigns({});
    if (kept.get().key === key) kept.set({ key, list: campaigns });
  } catch (error) {
    if (kept.get().key === key) kept.set({ ...kept.get(), problem: sentence(error) });
  }
}

/** Takes over what a watched campaign has become. */
export function took(key: string, campaign: Campaign): void {
  const { list, ...known } = kept.get();
  if (known.key === key && list) kept.set({ ...known, list: list.map((one) => (one.id === campaign.id ? campaign : one)) });
}

export function useKept(key: string | undefined): Kept {
  useEffect(() => {
    if (key) void renew(key);
  }, [key]);
  const found = useStore(kept);
  return found.key === key ? found : { key: key ?? "" };
}
