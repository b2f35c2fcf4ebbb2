// When it is sent.

import { instantLocal, type When } from "../../campaigns/draft.js";
import type { Editing } from "./editor.js";
import { Fields } from "./field.js";

const NAMES: Record<When, string> = {
  now: "As soon as it is started", at: "At a time", local: "At a time of their own clocks", usual: "At their usual hour", enter: "When somebody enters the segment",
};
const SAYS: Record<When, string> = {
  now: "All at once, but for quiet hours.",
  at: "The same instant for everybody, by the clock of the site.",
  local: "Everybody at the same time of the day, each in the own time zone. Without a day: the next such time, which everybody has within about a day.",
  usual: "The hour of the day in which a visitor did most in the last 90 days; who did nothing gets the site's usual hour.",
  enter: "Whoever enters by what they do, until it expires or is cancelled. Who is in the segment when it starts gets nothing.",
};

export function ScheduleFields({ draft, change, faults, zone }: Editing & { zone: string }) {
  const pick = (when: When) => {
    // Begun with an hour from now, in whole minutes.
    const at = draft.at || instantLocal(BigInt(Date.now() + 3_600_000) * 1000n, zone);
    change({ when, at });
  };
  return (
    <Fields name="When" field="content.schedule" faults={faults}>
      <select class="input" aria-label="When it is sent" value={draft.when} onChange={(event) => pick(event.currentTarget.value as When)}>
        {(Object.entries(NAMES) as [When, string][]).map(([key, name]) => <option key={key} value={key}>{name}</option>)}
      </select>
      {draft.when === "at" && <input class="input" type="datetime-local" aria-label={`Time in ${zone}`} value={draft.at} onInput={(event) => change({ at: event.currentTarget.value })} />}
      {draft.when === "local" && (
        <>
          <input class="input" type="time" aria-label="Time of their clocks" value={draft.clock} onInput={(event) => change({ clock: event.currentTarget.value })} />
          <input class="input" type="date" aria-label="Day, or none" value={draft.day} onInput={(event) => change({ day: event.currentTarget.value })} />
        </>
      )}
      <span class="hint is-line">{SAYS[draft.when]}{draft.when === "at" && ` Time zone: ${zone}.`}</span>
    </Fields>
  );
}
