// Campaigns: all that the site keeps, one of them as it goes, or the editor.

import { useKept } from "../../campaigns/kept.js";
import { Empty, Waiting } from "../../parts/state.js";
import type { Context } from "../context.js";
import { Editor } from "./editor.js";
import { CampaignList } from "./list.js";
import { CampaignPage } from "./page.js";

export const NEW = "new";

export function Campaigns({ context }: { context: Context }) {
  const { id, isEdited } = context.state.campaign;
  const { list, problem } = useKept(context.key);
  if (context.site.isCookieless) {
    return <section class="card"><Empty title="Campaigns are not available on a cookieless site"><p>Without cookies a visitor is known for one day only, so nobody can be sent anything later.</p></Empty></section>;
  }
  if (problem && !list) return <section class="card"><p class="problem" role="alert">{problem}</p></section>;
  if (!list) return <section class="card"><Waiting /></section>;
  if (id === NEW) return <Editor key={NEW} context={context} campaign={undefined} />;
  const campaign = list.find((each) => each.id === id);
  if (campaign && isEdited) return <Editor key={`${id} ${campaign.version}`} context={context} campaign={campaign} />;
  if (id !== "") return <CampaignPage key={id} id={id} context={context} />;
  return <CampaignList list={list} context={context} />;
}
