// Makes a site.

import { useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import { settingsOf, withSettings } from "../../calls/settings.js";
import { keep, session, type Site } from "../../calls/session.js";
import { Scope } from "../../gen/pistats/admin/v1/admin_pb.js";
import { go } from "../../state/page.js";

export function NewSite({ isFirst }: { isFirst: boolean }) {
  const [name, setName] = useState("");
  const [zone, setZone] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  const [isCookieless, setCookieless] = useState(false);
  const [problem, setProblem] = useState("");
  const make = async (event: Event) => {
    event.preventDefault();
    const { instance, sites } = session.get();
    if (!instance) return;
    try {
      const { site, keys } = await calls(instance).admin.createSite(withSettings({ name: name.trim(), timeZone: zone }, { cookieless: isCookieless }));
      if (!site) return;
      const secret = (scope: Scope) => keys.find((made) => made.key?.scope === scope)?.secret;
      const [readKey, writeKey] = [secret(Scope.READ), secret(Scope.WRITE)];
      const made: Site = { id: site.id, name: site.name, zone: site.timeZone, ...settingsOf(site), ...(readKey ? { readKey } : {}), ...(writeKey ? { writeKey } : {}) };
      keep({ sites: [...sites.filter((other) => other.id !== made.id), made] });
      go({ view: "setup", site: made.name });
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  return (
    <section class="card narrow" aria-label="New site">
      <h1>{isFirst ? "Make your first site" : "New site"}</h1>
      <form class="form" onSubmit={(event) => void make(event)}>
        <label for="site-name">Name, best its host</label>
        <input id="site-name" class="input" required maxLength={200} placeholder="example.org" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <p class="hint">Pages of that host, and of hosts below it, may then collect. Other origins can be allowed later.</p>
        <label for="site-zone">Time zone of its days</label>
        <ZoneInput id="site-zone" value={zone} onChange={setZone} />
        <label class="check"><input type="checkbox" checked={isCookieless} onChange={(event) => setCookieless(event.currentTarget.checked)} /> Cookieless: a visitor is known for one day only, and nothing is kept in the browser</label>
        {problem && <p class="problem" role="alert">{problem}</p>}
        <p><button type="submit" class="button is-main">Make the site</button></p>
      </form>
    </section>
  );
}

/** A zone by its IANA name; the browser offers those it knows. */
export function ZoneInput({ id, value, onChange }: { id: string; value: string; onChange: (zone: string) => void }) {
  return (
    <>
      <input id={id} class="input" list={`${id}-zones`} required value={value} autocomplete="off" onInput={(event) => onChange(event.currentTarget.value)} />
      <datalist id={`${id}-zones`}>{["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => <option key={zone} value={zone} />)}</datalist>
    </>
  );
}
