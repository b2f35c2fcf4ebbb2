import type { Context } from "../context.js";
export function Funnels({ context }: { context: Context }) { return <p>{context.site.name}</p>; }
