// Sites and keys: make one, put its snippet on pages, see the first event arrive, find out why it does not.

import { keep, session, type Site } from "../../calls/session.js";
import { follow } from "../../parts/follow.js";
import { Icon } from "../../parts/icons.js";
import { addressOf, go, state } from "../../state/page.js";
import { useStore } from "../../state/store.js";
import { useSession } from "../context.js";
import { NEW_SITE } from "../sites/sites.js";
import { Keys } from "./keys.js";
import { NewSite } from "./new_site.js";
import { SiteForm } from "./site_form.js";
import { Snippet } from "./snippet.js";

export function Setup({ site }: { site: Site | undefined }) {
  const { instance, isListed } = useSession();
  const isNew = useStore(state).site === NEW_SITE;
  if (!instance) return <ReadOnly site={site} />;
  if (!site || isNew) return <NewSite isFirst={isListed && session.get().sites.length === 0} />;
  return (
    <>
      <div class="bar-row">
        <h1><bdi>{site.name}</bdi></h1>
        <div class="bar-end"><a class="button" href={addressOf({ site: NEW_SITE })} onClick={(event) => follow(event, () => go({ site: NEW_SITE }))}><Icon name="plus" /> Site</a></div>
      </div>
      <Snippet key={site.id} site={site} instance={instance} />
      <SiteForm key={`form ${site.id}`} site={site} instance={instance} />
      <Keys key={`keys ${site.id}`} site={site} instance={instance} />
    </>
  );
}

function ReadOnly({ site }: { site: Site | undefined }) {
  return (
    <section class="card">
      <h1>Set-up needs the instance key</h1>
      <p>This browser has a read key{site ? <> of <bdi><b>{site.name}</b></bdi></> : ""}: it shows numbers, and changes nothing. Open a link of <code>pistats sign-in</code>, or paste the instance key:</p>
      <p><button type="button" class="button" onClick={() => keep({ sites: [], problem: undefined, isListed: true })}>Use another key</button></p>
    </section>
  );
}
