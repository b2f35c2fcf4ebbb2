// A site's rules of collecting: who may, and whether visitors are known for a day only. The one place that names these fields of
// the contract, so that the dashboard also works with a server that does not have them yet.

import type { Site as SiteMessage } from "../gen/pistats/admin/v1/admin_pb.js";

export interface Settings {
  origins: string[];
  isCookieless: boolean;
}

export function settingsOf(site: SiteMessage): Settings {
  const { origins, cookieless } = site as { origins?: string[]; cookieless?: boolean };
  return { origins: origins ?? [], isCookieless: cookieless ?? false };
}

/** A request with the settings added to it. */
export function withSettings<T extends object>(request: T, settings: { origins?: { rules: string[] }; cookieless?: boolean }): T {
  return Object.assign(request, settings);
}
