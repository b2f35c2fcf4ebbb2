import type { Site } from "../../calls/session.js";
export function Sites({ site }: { site?: Site | undefined }) { return <p>{site?.name}</p>; }
