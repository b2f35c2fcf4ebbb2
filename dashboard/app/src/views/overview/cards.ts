// Which lists the overview has, and which dimensions each of them can show: all of the contract.

export interface CardInfo {
  id: string;
  title: string;
  dimensions: string[];
  /** Whether it shows properties too: their keys are found in the events. */
  hasProperties?: boolean;
}

export const CARDS: CardInfo[] = [
  { id: "sources", title: "Sources", dimensions: ["source", "channel", "referrer", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"] },
  { id: "pages", title: "Pages", dimensions: ["page", "entry_page", "exit_page", "path", "title", "host", "url"] },
  { id: "places", title: "Places", dimensions: ["country", "language"] },
  { id: "devices", title: "Devices", dimensions: ["device", "browser", "os", "screen"] },
  { id: "events", title: "Events", dimensions: ["event_name", "topic", "user_id"], hasProperties: true },
];

/** Whether a list is ordered by people or by what happened. */
export function orderOf(by: string): "visitors" | "events" {
  return by === "event_name" || by === "topic" || by.startsWith("property:") ? "events" : "visitors";
}
