// Values as people call them: countries and languages in the reader's language, an empty value by a name of its own.

import { dimension } from "../state/dimensions.js";
import { segmentNames } from "../state/segment_names.js";

const locale = typeof navigator === "undefined" ? "en" : navigator.language;
let regions: Intl.DisplayNames | undefined;
let languages: Intl.DisplayNames | undefined;

export function valueName(by: string, value: string): string {
  if (value === "") return dimension(by)?.none ?? "(none)";
  if (by === "segment") return segmentNames.get().get(value) ?? value;
  try {
    if (by === "country" && /^[A-Z]{2}$/.test(value)) return (regions ??= new Intl.DisplayNames(locale, { type: "region" })).of(value) ?? value;
    if (by === "language") return (languages ??= new Intl.DisplayNames(locale, { type: "language" })).of(value) ?? value;
  } catch {
    // Not every text that a browser sends is a code.
  }
  if (by === "device" || by === "channel") return value.charAt(0).toUpperCase() + value.slice(1).replace(/_/g, " ");
  return value;
}

/** Where a page can be opened; undefined for what is no address. */
export function pageLink(by: string, value: string, site: string): string | undefined {
  if (!["page", "entry_page", "exit_page", "url", "path", "referrer"].includes(by) || value === "") return undefined;
  const host = /^[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?$/i.test(site) ? site : "";
  const text = value.startsWith("/") ? (host ? `https://${host}${value}` : "") : /^https?:\/\//.test(value) ? value : `https://${value}`;
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : undefined;
  } catch {
    return undefined;
  }
}
