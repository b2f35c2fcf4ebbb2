// The page: who is signed in, which site and view the address names, and what the keyboard does.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isKeyFault } from "./calls/failure.js";
import type { Site } from "./calls/session.js";
import { TABLES, useReport } from "./live/use.js";
import { ConnectionBanner } from "./parts/banner.js";
import { Filters } from "./parts/filters.js";
import { Header } from "./parts/header.js";
import { Help } from "./parts/help.js";
import { RangePicker } from "./parts/range.js";
import { useKept } from "./segments/kept.js";
import { SaveAsSegment } from "./views/segments/save_as.js";
import { Waiting } from "./parts/state.js";
import { commandOf } from "./state/keys.js";
import { go, state as page } from "./state/page.js";
import { nextTheme } from "./state/prefs.js";
import { realtime } from "./state/questions.js";
import { useStore } from "./state/store.js";
import type { BotsKey, View } from "./state/url.js";
import { localDay } from "./state/zone.js";
import { siteOf, useContext, useSession, type Context } from "./views/context.js";
import { Campaigns } from "./views/campaigns/campaigns.js";
import { Funnels } from "./views/funnels/funnels.js";
import { Journeys } from "./views/journeys/journeys.js";
import { Live } from "./views/live/live.js";
import { Overview } from "./views/overview/overview.js";
import { Pipeline } from "./views/pipeline/pipeline.js";
import { Retention } from "./views/retention/retention.js";
import { Segments } from "./views/segments/segments.js";
import { Setup } from "./views/setup/setup.js";
import { Expired } from "./views/signin/expired.js";
import { SignIn } from "./views/signin/signin.js";
import { Sites } from "./views/sites/sites.js";

/** Views of one site's numbers: with a range and filters above them. */
const REPORTS: Partial<Record<View, ComponentType<{ context: Context }>>> = { overview: Overview, live: Live, retention: Retention, funnels: Funnels, journeys: Journeys, segments: Segments, campaigns: Campaigns };
const RANGED: View[] = ["overview", "retention", "funnels", "journeys"];

export function App() {
  const state = useStore(page);
  const { instance, sites, isListed, problem } = useSession();
  const site = siteOf(sites, state.site);
  const [isHelp, setHelp] = useState(false);
  const [opened, setOpened] = useState({ filter: 0, custom: 0 });

  // An address that is passed on names its site.
  useEffect(() => {
    if (site && state.site === "") go({ site: site.name }, true);
  }, [site?.name, state.site]);

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const command = commandOf(event, page.get(), localDay(site?.zone ?? "UTC", Date.now()));
      if (!command || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      if ("go" in command) go(command.go);
      else if (command.act === "help") setHelp(true);
      else if (command.act === "theme") nextTheme();
      else {
        const act = command.act;
        setOpened((before) => ({ ...before, [act]: before[act] + 1 }));
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [site?.zone]);

  if (!instance && sites.length === 0) return isListed ? <SignIn problem={problem} /> : <main class="alone" id="main"><Waiting /></main>;
  return (
    <>
      <a class="skip" href="#main">To the numbers</a>
      <Header state={state} site={site} sites={sites} isOperator={instance !== undefined} onHelp={() => setHelp(true)} />
      <ConnectionBanner />
      <Body view={state.view} site={site} isListed={isListed} canMake={instance !== undefined} opened={opened} />
      {isHelp && <Help onClose={() => setHelp(false)} />}
    </>
  );
}

interface BodyProps {
  view: View;
  site: Site | undefined;
  isListed: boolean;
  canMake: boolean;
  opened: { filter: number; custom: number };
}

function Body({ view, site, isListed, canMake, opened }: BodyProps) {
  if (view === "sites") return <main class="page" id="main"><Sites /></main>;
  if (view === "pipeline" && canMake) return <main class="page" id="main"><Pipeline site={site} /></main>;
  if (view === "setup" || (isListed && canMake && !site)) return <main class="page" id="main"><Setup site={site} /></main>;
  if (!site) return <main class="page" id="main">{isListed ? <p class="problem">There is no site of this name among your keys.</p> : <Waiting />}</main>;
  return <Report key={site.name} view={view} site={site} canMake={canMake} opened={opened} />;
}

function Report({ view, site, canMake, opened }: { view: View; site: Site; canMake: boolean; opened: { filter: number; custom: number } }) {
  const context = useContext(site);
  const { state } = context;
  useKept(site.readKey);
  const { failure } = useReport("realtime", site.readKey, { case: "realtime", value: realtime(state.bots, 10) }, TABLES);
  const View = REPORTS[view] ?? Overview;
  if (failure && isKeyFault(failure.code)) return <main class="page" id="main"><Expired site={site} canMake={canMake} /></main>;
  return (
    <main class="page" id="main">
      {RANGED.includes(view) && (
        <div class="bar-row">
          <Filters filters={state.filters} onChange={(filters) => go({ filters })} context={context} opened={opened.filter} />
          <SaveAsSegment context={context} />
          <div class="bar-end">
            <label class="select">
              <span class="sr-only">Bots</span>
              <select value={state.bots} title="Programs that visit pages by themselves" onChange={(event) => go({ bots: event.currentTarget.value as BotsKey })}>
                <option value="exclude">Without bots</option>
                <option value="include">With bots</option>
                <option value="only">Only bots</option>
              </select>
            </label>
            <RangePicker context={context} opened={opened.custom} hasCompare={view === "overview"} />
          </div>
        </div>
      )}
      <View context={context} />
    </main>
  );
}
