// Segments to begin with: most are one of these, a little changed.

import { fresh, group, type Draft, type Group } from "./draft.js";

export interface Starter {
  name: string;
  says: string;
  draft: Group;
}

type Did = Extract<Draft, { kind: "did" }>;
type Seen = Extract<Draft, { kind: "seen" }>;

const did = (event: string | undefined, change: Partial<Did>): Draft => ({
  ...(fresh("did") as Did), conditions: event ? [{ by: "event_name", operator: "is", values: [event] }] : [], ...change,
});
const seen = (change: Partial<Seen>): Draft => ({ ...(fresh("seen") as Seen), ...change });

export const STARTERS: Starter[] = [
  { name: "Regulars", says: "Came on 4 or more days of the last 30.", draft: group([did(undefined, { isDays: true, count: 4, window: 30 })]) },
  { name: "New this week", says: "Seen for the first time in the last 7 days.", draft: group([seen({ end: "first", when: "last_days", days: 7 })]) },
  { name: "Slipping away", says: "Came often two months ago, and not in the last 14 days.", draft: group([did(undefined, { isDays: true, count: 3, window: 60 }), seen({ end: "last", when: "longer_ago_days", days: 14 })]) },
  { name: "Left a cart", says: "Put something into the cart in the last 7 days, and bought nothing.", draft: group([did("add_to_cart", { window: 7 }), did("purchase", { amount: "at_most", count: 0, window: 7 })]) },
  { name: "Buyers", says: "Bought at least once in the last 30 days.", draft: group([did("purchase", { window: 30 })]) },
  { name: "Came by search", says: "Whose latest visit came from a search engine.", draft: group([{ kind: "latest", condition: { by: "channel", operator: "contains", values: ["Search"] }, isNot: false }]) },
];
