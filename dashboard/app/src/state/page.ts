// The state of this page: read from the address, written back to it, in step with the back button.

import { Store } from "./store.js";
import { readState, writeState, type State } from "./url.js";

export const state = new Store<State>(readState(location));

addEventListener("popstate", () => state.set(readState(location)));

/** Changes the state. `isSmall` changes leave no step for the back button. */
export function go(change: Partial<State>, isSmall = false): void {
  const next = { ...state.get(), ...change };
  for (const name of Object.keys(next) as (keyof State)[]) if (next[name] === undefined) delete next[name];
  const address = writeState(next);
  if (address === location.pathname + location.search) return;
  history[isSmall ? "replaceState" : "pushState"](null, "", address);
  state.set(next);
}

/** Where a link leads that changes the state: for links that can be opened in a tab of their own. */
export function addressOf(change: Partial<State>): string {
  return writeState({ ...state.get(), ...change });
}
