import type { Context } from "../context.js";
export function Journeys({ context }: { context: Context }) { return <p>{context.site.name}</p>; }
