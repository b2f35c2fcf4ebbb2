// Names of the site's segments by id, in their order: chips and filters show them. Filled by segments/kept.ts.

import { Store } from "./store.js";

export const segmentNames = new Store<ReadonlyMap<string, string>>(new Map());
