// Single visitors: who was there lately in the range, and one visitor's way through the site.

import { go } from "../../state/page.js";
import type { Context } from "../context.js";
import { Recent } from "./recent.js";
import { Timeline } from "./timeline.js";

export function Journeys({ context }: { context: Context }) {
  const { visitor } = context.state;
  if (visitor) return <Timeline visitor={visitor} context={context} onBack={() => go({ visitor: "" })} />;
  return <Recent context={context} />;
}
