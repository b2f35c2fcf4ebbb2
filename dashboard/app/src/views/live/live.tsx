import type { Context } from "../context.js";
export function Live({ context }: { context: Context }) { return <p>{context.site.name}</p>; }
