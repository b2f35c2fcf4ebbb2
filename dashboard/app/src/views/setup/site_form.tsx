// A site's name, zone, origins and whether it is cookieless.

import { useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import { settingsOf, withSettings } from "../../calls/settings.js";
import { changeSite, list, type Site } from "../../calls/session.js";
import { Term } from "../../parts/term.js";
import { go } from "../../state/page.js";
import { ZoneInput } from "./new_site.js";

const ORIGINS = "Where pages may collect from with a write key. example.org: that host and every host below it; localhost:3000: that port only; *: every page. None: the host that the site is named after. Calls that come from no page are not asked.";
const COOKIELESS = "The visitor is derived from address, browser and the site's day; the secret of a day is destroyed after 48 hours. Uniques over more than a day are then visitor-days, and there is no retention.";

export function SiteForm({ site, instance }: { site: Site; instance: string }) {
  const [name, setName] = useState(site.name);
  const [zone, setZone] = useState(site.zone);
  const [origins, setOrigins] = useState((site.origins ?? []).join("\n"));
  const [isCookieless, setCookieless] = useState(site.isCookieless ?? false);
  const [said, say] = useState<{ text: string; isGood: boolean }>();
  const save = async (event: Event) => {
    event.preventDefault();
    const rules = origins.split(/[\s,]+/).filter(Boolean);
    try {
      const { site: now } = await calls(instance).admin.updateSite(withSettings(
        { siteId: site.id, name: name === site.name ? "" : name.trim(), timeZone: zone === site.zone ? "" : zone }, { origins: { rules }, cookieless: isCookieless },
      ));
      if (now) changeSite(site.name, { name: now.name, zone: now.timeZone, ...settingsOf(now) });
      if (now && now.name !== site.name) go({ site: now.name }, true);
      say({ text: "Saved.", isGood: true });
      void list();
    } catch (error) {
      say({ text: sentence(error), isGood: false });
    }
  };
  return (
    <section class="card" aria-label="Site">
      <h2>Site</h2>
      <form class="form" onSubmit={(event) => void save(event)}>
        <label for="name">Name</label>
        <input id="name" class="input" required maxLength={200} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <label for="zone">Time zone</label>
        <ZoneInput id="zone" value={zone} onChange={setZone} />
        {zone !== site.zone && <p class="hint">Another zone moves the bounds of all days: they are made anew, which takes a moment on a big site.</p>}
        <label for="origins"><Term definition={ORIGINS}>Origins</Term></label>
        <textarea id="origins" class="input" rows={3} spellcheck={false} placeholder={`${site.name}\none a line`} value={origins} onInput={(event) => setOrigins(event.currentTarget.value)} />
        <span><Term definition={COOKIELESS}>Visitors</Term></span>
        <label class="check"><input type="checkbox" checked={isCookieless} onChange={(event) => setCookieless(event.currentTarget.checked)} /> Cookieless</label>
        <p class="actions">
          <button type="submit" class="button is-main">Save</button>
          <span role="status" class={said?.isGood ? "good" : "problem"}>{said?.text}</span>
        </p>
      </form>
    </section>
  );
}
