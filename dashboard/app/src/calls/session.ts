// Which keys this browser has, and so which sites it can show. Kept in local storage, never in an address.
//
// ```text
//   #sign-in=TOKEN ──SignIn──▶ instance key ──ListSites──▶ sites ──CreateKey "dashboard"──▶ a read key for each, once
//   #key=KEY, or pasted ─────▶ a read key: one site
// ```
//
// What is stored is shown at once; the list of sites is asked for beside it.

import { ConnectError } from "@connectrpc/connect";
import { Scope, type Site as SiteMessage } from "../gen/pistats/admin/v1/admin_pb.js";
import { Store } from "../state/store.js";
import { isZone, localDay } from "../state/zone.js";
import { calls } from "./clients.js";
import { codeOf, isKeyFault, sentence } from "./failure.js";
import { settingsOf } from "./settings.js";

export interface Site {
  /** 0: known by a read key alone. */
  id: number;
  name: string;
  zone: string;
  readKey?: string;
  /** Changes segments and campaigns; made when something is first kept. */
  manageKey?: string;
  /** Public: it stands in the snippet. */
  writeKey?: string;
  isCookieless?: boolean;
  origins?: string[];
}

export interface Session {
  /** Opens sites, keys and the pipeline. */
  instance?: string | undefined;
  sites: Site[];
  /** Whether the list of sites was asked for, since the page was opened. */
  isListed: boolean;
  /** Why signing in failed. */
  problem?: string | undefined;
}

const PLACE = "pistats.session";

export const session = new Store<Session>(load());

function load(): Session {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE) ?? "{}") as Partial<Session>;
    const sites = (kept.sites ?? []).filter((site) => typeof site.name === "string" && isZone(site.zone));
    return { ...(kept.instance ? { instance: kept.instance } : {}), sites, isListed: false };
  } catch {
    return { sites: [], isListed: false };
  }
}

export function keep(change: Partial<Session>): void {
  const next = { ...session.get(), ...change };
  for (const name of Object.keys(next) as (keyof Session)[]) if (next[name] === undefined) delete next[name];
  session.set(next);
  try {
    localStorage.setItem(PLACE, JSON.stringify({ instance: next.instance, sites: next.sites }));
  } catch {
    // A browser that keeps nothing: the keys last as long as the page.
  }
}

function change(name: string, patch: Partial<Site>): void {
  keep({ sites: session.get().sites.map((site) => (site.name === name ? { ...site, ...patch } : site)) });
}

export { change as changeSite };

/** Takes a token or key out of the address, then lists the sites. */
export async function start(): Promise<void> {
  const hash = new URLSearchParams(location.hash.slice(1));
  const [token, key] = [hash.get("sign-in"), hash.get("key")];
  if (token || key) history.replaceState(history.state, "", location.pathname + location.search);
  try {
    if (token) keep({ instance: (await calls().admin.signIn({ token })).key });
    if (key) await useKey(key, hash.get("site") ?? undefined);
  } catch (error) {
    return keep({ problem: token ? `The link did not sign you in. ${detail(error)}` : sentence(error), isListed: true });
  }
  await list();
}

function detail(error: unknown): string {
  const text = error instanceof Error && "rawMessage" in error ? String(error.rawMessage) : "";
  return text || sentence(error);
}

/** Takes over a pasted key, whichever it is. */
export async function useKey(key: string, name?: string): Promise<void> {
  try {
    await calls(key).admin.listSites({});
    keep({ instance: key });
    return await list();
  } catch (error) {
    // Not the instance's: a read key may be shown nothing of admin, but answers questions.
    if (!isKeyFault(codeOf(error))) throw error;
  }
  const zone = await zoneOf(key);
  const known = session.get().sites;
  const label = name ?? freeName(known.map((site) => site.name));
  keep({ sites: [...known.filter((site) => site.readKey !== key && site.name !== label), { id: 0, name: label, zone, readKey: key }] });
}

function freeName(taken: string[]): string {
  let number = 1;
  while (taken.includes(number === 1 ? "my site" : `my site ${number}`)) number++;
  return number === 1 ? "my site" : `my site ${number}`;
}

/** Any answer tells the site's zone. */
async function zoneOf(readKey: string): Promise<string> {
  const today = localDay("UTC", Date.now());
  const { timeZone } = await calls(readKey).query.traffic({ range: { range: { case: "days", value: { first: today, last: today } } } });
  return timeZone;
}

/** Brings the list of sites up to date, and makes the read keys that are missing. */
export async function list(): Promise<void> {
  const { instance } = session.get();
  if (!instance) return keep({ isListed: true });
  try {
    const { sites } = await calls(instance).admin.listSites({});
    const kept = session.get().sites;
    const known = sites.map((site) => merged(site, kept.find((other) => other.id === site.id)));
    keep({ sites: [...known, ...kept.filter((site) => site.id === 0)] });
    // Told below, one after the other: a browser with many sites does not ask for all keys at once.
    keep({ isListed: true });
    for (const site of known) if (!site.readKey) await makeReadKey(site);
  } catch (error) {
    const { instance: key, sites } = session.get();
    if (isKeyFault(codeOf(error))) {
      // The key was ended, or the data is another one: nothing that it opened is left.
      keep({ instance: undefined, sites: sites.filter((site) => site.id === 0), problem: "This key no longer opens anything.", isListed: true });
    } else keep({ isListed: true, ...(key ? {} : { problem: sentence(error) }) });
  }
}

function merged(site: SiteMessage, kept: Site | undefined): Site {
  return {
    id: site.id, name: site.name, zone: isZone(site.timeZone) ? site.timeZone : "UTC", ...settingsOf(site),
    ...(kept?.readKey ? { readKey: kept.readKey } : {}), ...(kept?.writeKey ? { writeKey: kept.writeKey } : {}), ...(kept?.manageKey ? { manageKey: kept.manageKey } : {}),
  };
}

export async function makeReadKey(site: Site): Promise<void> {
  const { instance } = session.get();
  if (!instance || site.id === 0) return;
  const { key } = await calls(instance).admin.createKey({ siteId: site.id, scope: Scope.READ, name: "dashboard" });
  if (key) change(site.name, { readKey: key.secret });
}

/** The key that changes what the site keeps. Throws a sentence where this browser may only read. */
export async function manageKey(name: string): Promise<string> {
  const { instance, sites } = session.get();
  const site = sites.find((each) => each.name === name);
  if (site?.manageKey) return site.manageKey;
  if (!instance || !site || site.id === 0) throw new Error("This browser has a read key: it shows, and keeps nothing. Sign in with the instance key to keep it.");
  const { key } = await calls(instance).admin.createKey({ siteId: site.id, scope: Scope.MANAGE, name: "dashboard" });
  if (!key) throw new Error("The server made no key.");
  change(name, { manageKey: key.secret });
  return key.secret;
}

/**
 * Work with the manage key. One that was ended since is forgotten, and another one made.
 */
export async function managing<T>(name: string, work: (key: string) => Promise<T>): Promise<T> {
  try {
    return await work(await manageKey(name));
  } catch (error) {
    if (!(error instanceof ConnectError) || !isKeyFault(error.code)) throw error;
    keep({ sites: session.get().sites.map(({ manageKey: ended, ...site }) => (site.name === name || !ended ? site : { ...site, manageKey: ended })) });
    return work(await manageKey(name));
  }
}

/** Forgets every key of this browser. */
export function signOut(): void {
  keep({ instance: undefined, sites: [], problem: undefined, isListed: true });
}
