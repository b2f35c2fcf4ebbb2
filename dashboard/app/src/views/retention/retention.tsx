import type { Context } from "../context.js";
export function Retention({ context }: { context: Context }) { return <p>{context.site.name}</p>; }
