// Everything a report can be broken down and filtered by: its name in the address (as in the command line), on the screen,
// and what it means.

import { Dimension } from "../gen/pistats/query/v1/query_pb.js";

export interface DimensionInfo {
  slug: string;
  number: Dimension;
  label: string;
  /** What the empty value is called. */
  none: string;
  definition: string;
}

const list: [slug: string, number: Dimension, label: string, none: string, definition: string][] = [
  ["page", Dimension.PAGE, "Pages", "(no page)", "Host and path of the address, without its query."],
  ["path", Dimension.PATH, "Paths", "(no path)", "Path of the address, without host and query."],
  ["url", Dimension.URL, "Addresses", "(no address)", "The whole address, as the browser sent it."],
  ["entry_page", Dimension.ENTRY_PAGE, "Entry pages", "(no page)", "Page of a session's first event. Numbers are of its sessions."],
  ["exit_page", Dimension.EXIT_PAGE, "Exit pages", "(no page)", "Page of a session's last event. Numbers are of its sessions."],
  ["title", Dimension.TITLE, "Titles", "(no title)", "Title of the page."],
  ["host", Dimension.HOST, "Hosts", "(no host)", "Host of the address."],
  ["source", Dimension.SOURCE, "Sources", "Direct / none", "Where people came from: UTM source, or the site that linked here by its known name."],
  ["channel", Dimension.CHANNEL, "Channels", "(no channel)", "Kind of source: search, social, mail, paid and so on."],
  ["referrer", Dimension.REFERRER, "Referrers", "(no referrer)", "The address that linked here, as the browser sent it."],
  ["utm_source", Dimension.UTM_SOURCE, "UTM sources", "(no utm_source)", "utm_source of the address."],
  ["utm_medium", Dimension.UTM_MEDIUM, "UTM media", "(no utm_medium)", "utm_medium of the address."],
  ["utm_campaign", Dimension.UTM_CAMPAIGN, "UTM campaigns", "(no utm_campaign)", "utm_campaign of the address."],
  ["utm_term", Dimension.UTM_TERM, "UTM terms", "(no utm_term)", "utm_term of the address."],
  ["utm_content", Dimension.UTM_CONTENT, "UTM contents", "(no utm_content)", "utm_content of the address."],
  ["country", Dimension.COUNTRY, "Countries", "(unknown country)", "Country of the visitor: from the address when it arrived, otherwise from the browser's time zone. Addresses are not kept."],
  ["language", Dimension.LANGUAGE, "Languages", "(unknown language)", "The browser's first language."],
  ["device", Dimension.DEVICE, "Devices", "(unknown device)", "Kind of device, from the browser's name of itself."],
  ["browser", Dimension.BROWSER, "Browsers", "(unknown browser)", "Browser, from its name of itself."],
  ["os", Dimension.OS, "Systems", "(unknown system)", "Operating system, from the browser's name of itself."],
  ["screen", Dimension.SCREEN, "Screens", "(unknown screen)", "Width and height of the screen."],
  ["event_name", Dimension.EVENT_NAME, "Events", "(no name)", "What happened: page_view, or the name of an event of yours."],
  ["topic", Dimension.TOPIC, "Topics", "(no topic)", "Topics of an event. One with several counts for each of them."],
  ["user_id", Dimension.USER_ID, "Users", "(not signed in)", "The user id that your site gave. It never merges visitors."],
];

export const DIMENSIONS: readonly DimensionInfo[] = list.map(([slug, number, label, none, definition]) => ({ slug, number, label, none, definition }));

/** Filters only: nothing is broken down by it. */
export const SEGMENT: DimensionInfo = {
  slug: "segment", number: Dimension.SEGMENT, label: "Segments", none: "(no segment)", definition: "The segments that the visitor is in now, whatever the range is.",
};

const bySlug = new Map([...DIMENSIONS, SEGMENT].map((info) => [info.slug, info]));

/** A dimension of the address: `country`, or `property:plan`. */
export function dimension(slug: string): DimensionInfo | undefined {
  const property = propertyOf(slug);
  if (property === undefined) return bySlug.get(slug);
  return {
    slug, number: Dimension.PROPERTY, label: `Property ${property}`, none: "(without it)",
    definition: `Value of the property ${property} that your site gave an event.`,
  };
}

/** The key of `property:KEY`; undefined for every other dimension. */
export function propertyOf(slug: string): string | undefined {
  return slug.startsWith("property:") && slug.length > 9 ? slug.slice(9) : undefined;
}
