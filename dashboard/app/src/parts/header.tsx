// The head of every page: which site, who is there now, and the views.

import { useEffect, useRef } from "preact/hooks";
import { signOut, type Site } from "../calls/session.js";
import { COUNTERS, useReport } from "../live/use.js";
import { whole } from "../show/numbers.js";
import { firstOf, VIEW_NAMES } from "../state/keys.js";
import { addressOf, go } from "../state/page.js";
import { nextTheme, theme } from "../state/prefs.js";
import { realtime } from "../state/questions.js";
import { useStore } from "../state/store.js";
import { USUAL, VIEWS, type State, type View } from "../state/url.js";
import { follow } from "./follow.js";
import { Glow } from "./glow.js";
import { Icon } from "./icons.js";
import { Menu } from "./menu.js";

interface Props {
  state: State;
  site: Site | undefined;
  sites: Site[];
  isOperator: boolean;
  onHelp: () => void;
}

export function Header({ state, site, sites, isOperator, onHelp }: Props) {
  const chosen = useStore(theme);
  const views = VIEWS.filter((view) => isOperator || view !== "pipeline");
  const nav = useRef<HTMLElement>(null);
  // On a phone the views are wider than the screen.
  useEffect(() => {
    const link = nav.current?.querySelector<HTMLElement>("[aria-current]");
    if (nav.current && link) nav.current.scrollLeft = link.offsetLeft - nav.current.offsetLeft - (nav.current.clientWidth - link.clientWidth) / 2;
  }, [state.view]);
  return (
    <header class="top">
      <a class="brand" href="/" aria-label="piStats: overview" onClick={(event) => follow(event, () => go({ view: "overview", list: undefined }))}>
        <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d="M3 8c0-2 1-3 3-3h15M8 5v14M16 5v11c0 2 1 3 3 3" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" /></svg>
        <span>piStats</span>
      </a>
      {site && <SitePicker site={site} sites={sites} view={state.view} />}
      {site && <Current site={site} state={state} />}
      <nav class="views" aria-label="Views" ref={nav}>
        {views.map((view) => (
          <a key={view} href={addressOf(firstOf(view))} aria-current={state.view === view ? "page" : undefined}
            onClick={(event) => follow(event, () => go(firstOf(view)))}>{VIEW_NAMES[view]}</a>
        ))}
      </nav>
      <div class="top-tools">
        <button type="button" class="button is-icon" aria-label={`Colours: ${chosen}`} title={`Colours: ${chosen} (L)`} onClick={nextTheme}>
          <Icon name={chosen === "dark" ? "moon" : chosen === "light" ? "sun" : "screen"} />
        </button>
        <button type="button" class="button is-icon" aria-label="Keyboard map" title="Keyboard map (?)" onClick={onHelp}>?</button>
        <Menu label="⋯" name="More" isEnd>
          {(close) => <button type="button" class="item" onClick={() => { signOut(); close(); }}>Sign out: forget all keys here</button>}
        </Menu>
      </div>
    </header>
  );
}

function SitePicker({ site, sites, view }: { site: Site; sites: Site[]; view: View }) {
  if (sites.length < 2) return <span class="site-name"><bdi>{site.name}</bdi></span>;
  // Filters and steps are about one site's pages: another site begins without them.
  const pick = (name: string) => go({ site: name, view: view === "sites" ? "overview" : view, filters: [], list: undefined, visitor: "", segment: USUAL.segment, campaign: USUAL.campaign });
  return (
    <label class="select site-picker">
      <span class="sr-only">Site</span>
      <select value={site.name} onChange={(event) => pick(event.currentTarget.value)}>
        {sites.map((each) => <option key={each.name} value={each.name}>{each.name}</option>)}
      </select>
    </label>
  );
}

/** Current visitors: of the whole site, whatever is filtered. */
function Current({ site, state }: { site: Site; state: State }) {
  const { answer, question } = useReport("realtime", site.readKey, { case: "realtime", value: realtime(state.bots, 10) }, COUNTERS);
  const count = answer?.currentVisitors;
  useEffect(() => {
    document.title = `${count === undefined ? "" : `${whole(count)} now · `}${site.name} · piStats`;
  }, [count, site.name]);
  const definition = "Current visitors: different visitors with an event in the last 5 minutes, by the server's clock. Filters do not change it.";
  return (
    <a class="current term" href={addressOf({ view: "live" })} aria-describedby="definition-current" onClick={(event) => follow(event, () => go({ view: "live", list: undefined }))}>
      <span class={`dot${count ? " is-on" : ""}`} aria-hidden="true" />
      <Glow value={count} of={question}>{count === undefined ? "–" : whole(count)}</Glow><span class="current-text"> now</span>
      <span role="tooltip" class="tip" id="definition-current">{definition}{answer?.isCut ? " More happens than is kept in memory: this is a lower bound." : ""}</span>
    </a>
  );
}
