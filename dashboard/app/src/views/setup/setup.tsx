import type { Site } from "../../calls/session.js";
export function Setup({ site }: { site?: Site | undefined }) { return <p>{site?.name}</p>; }
