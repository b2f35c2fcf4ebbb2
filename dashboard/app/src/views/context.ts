// What every view needs: the state of the page, the site with its key, and which days it is about.

import { session, type Site } from "../calls/session.js";
import { useReport, TABLES } from "../live/use.js";
import type { Day } from "../state/days.js";
import { useNow } from "../state/now.js";
import { state as page } from "../state/page.js";
import { everything } from "../state/questions.js";
import { resolve, type Days } from "../state/range.js";
import { useStore } from "../state/store.js";
import type { State } from "../state/url.js";
import { localDay } from "../state/zone.js";

export interface Context {
  state: State;
  site: Site;
  /** Absent while it is being made. */
  key: string | undefined;
  now: number;
  today: Day;
  days: Days;
}

/** The site of the address, else the first one. */
export function siteOf(sites: Site[], name: string): Site | undefined {
  return sites.find((site) => site.name === name) ?? (name === "" ? sites[0] : undefined);
}

export function useContext(site: Site): Context {
  const state = useStore(page);
  const now = useNow();
  const today = localDay(site.zone, now);
  const key = site.readKey;
  // Only "all time" asks where time begins.
  const isAll = state.range.key === "all";
  const { answer } = useReport("traffic", key, isAll ? { case: "traffic", value: everything(today) } : undefined, TABLES);
  const oldest = answer?.steps.find((step) => (step.metrics?.events ?? 0n) > 0n)?.day;
  return { state, site, key, now, today, days: resolve(state.range, today, oldest) };
}

export function useSession() {
  return useStore(session);
}
