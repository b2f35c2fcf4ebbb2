import type { Site } from "../../calls/session.js";
export function Pipeline({ site }: { site?: Site | undefined }) { return <p>{site?.name}</p>; }
