// @pistats/tracker: the same tracker for those who bundle. The script tag's is script.ts.
import { create, type Options, type Tracker } from "./core.js";

export type { Details, Options, Tracker } from "./core.js";

/** Where there is no page (a server renders it), nothing is told. */
const nowhere: Tracker = { track() {}, view() {}, identify() {} };

/** Starts tracking this page. Throws nothing: where it cannot work, the tracker does nothing. */
export const init = (options: Options): Tracker => {
  try {
    return create(options);
  } catch (error) {
    if (options?.debug) console.log("pistats:", error);
    return nowhere;
  }
};
