// What is said: the fields of the message, and the message as it will look.

import type { CampaignDraft, UrgencyKey } from "../../campaigns/draft.js";
import type { Editing } from "./editor.js";
import { Field } from "./field.js";

const URGENCY = "How soon the push service should wake a device up. Low waits until it is used, or charged.";
const TTL = "How long the push service keeps the message for a device that is away, hours; at most 672 (28 days).";
const TOPIC = "A later message takes the place of an undelivered earlier one of the same topic: letters, digits, - and _.";
const URGENCIES: Record<UrgencyKey, string> = { very_low: "very low", low: "low", normal: "normal", high: "high" };

export function MessageFields({ draft, change, faults }: Editing) {
  const at = (name: string) => ({ field: `content.message.${name}`, faults });
  return (
    <>
      <Field name="Title" {...at("title")}><input class="input" required maxLength={200} dir="auto" value={draft.title} onInput={(event) => change({ title: event.currentTarget.value })} /></Field>
      <Field name="Text" {...at("body")}><textarea class="input is-text-input" rows={3} maxLength={2000} dir="auto" value={draft.body} onInput={(event) => change({ body: event.currentTarget.value })} /></Field>
      <Field name="Opens" {...at("url")}><input class="input" type="url" placeholder="https://… (empty: the site)" value={draft.url} onInput={(event) => change({ url: event.currentTarget.value })} /></Field>
      <Field name="Picture" {...at("icon")}><input class="input" type="url" placeholder="https://… (a small square)" value={draft.icon} onInput={(event) => change({ icon: event.currentTarget.value })} /></Field>
      <Field name="Topic" definition={TOPIC} {...at("topic")}><input class="input" maxLength={32} value={draft.topic} onInput={(event) => change({ topic: event.currentTarget.value })} /></Field>
      <Field name="Urgency" definition={URGENCY} {...at("urgency")}>
        <select class="input" value={draft.urgency} onChange={(event) => change({ urgency: event.currentTarget.value as UrgencyKey })}>
          {(Object.entries(URGENCIES) as [UrgencyKey, string][]).map(([key, name]) => <option key={key} value={key}>{name}</option>)}
        </select>
      </Field>
      <Field name="Kept for (hours)" definition={TTL} {...at("ttl_seconds")}><input class="input is-count" type="number" min={0} step="any" value={draft.ttlHours} onInput={(event) => change({ ttlHours: Number(event.currentTarget.value) || 0 })} /></Field>
    </>
  );
}

/** A message as a system shows it, more or less: each has a look of its own. */
export function Look({ draft, site }: { draft: CampaignDraft; site: string }) {
  return (
    <figure class="notice-place">
      <div class="notice" role="img" aria-label="The message as it will look">
        {/* The page's policy loads no pictures from elsewhere: where one will be is shown by a mark. */}
        <span class={`notice-icon${draft.icon ? " is-there" : ""}`} aria-hidden="true">{draft.icon ? "▦" : "●"}</span>
        <span class="notice-text">
          <b dir="auto">{draft.title || "Title"}</b>
          <span dir="auto">{draft.body || "Text"}</span>
          <span class="hint"><bdi>{site}</bdi></span>
        </span>
      </div>
      <figcaption class="hint">Opens {draft.url ? <bdi>{draft.url}</bdi> : "the site"}. Each system shows it in a way of its own; long texts are cut.</figcaption>
    </figure>
  );
}
