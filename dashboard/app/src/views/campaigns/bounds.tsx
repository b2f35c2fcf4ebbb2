// Within which bounds it is sent: quiet hours, how often, until when.

import type { Editing } from "./editor.js";
import { Fields } from "./field.js";

const QUIET = "Nothing is sent then, on the visitor's own clock: what is due waits until they are over.";
const CAP = "Who has had as many messages of the site in so many days gets none.";
const EXPIRES = "Nothing is sent from then on. Empty: seven days after the last message is due; never, where it is sent on entering.";

export function Bounds({ draft, change, faults, zone }: Editing & { zone: string }) {
  const isQuiet = draft.quietFrom !== "" || draft.quietTo !== "";
  return (
    <>
      <Fields name="Quiet hours" definition={QUIET} field="content.quiet_hours" faults={faults}>
        <label class="check"><input type="checkbox" checked={isQuiet} onChange={(event) => change(event.currentTarget.checked ? { quietFrom: "22:00", quietTo: "07:00" } : { quietFrom: "", quietTo: "" })} /> Keep quiet</label>
        {isQuiet && (
          <>
            <input class="input" type="time" aria-label="Quiet from" value={draft.quietFrom} onInput={(event) => change({ quietFrom: event.currentTarget.value })} />
            to <input class="input" type="time" aria-label="Quiet to" value={draft.quietTo} onInput={(event) => change({ quietTo: event.currentTarget.value })} />
          </>
        )}
      </Fields>
      <Fields name="At most" definition={CAP} field="content.frequency_cap" faults={faults}>
        <label class="check"><input type="checkbox" checked={draft.capMessages > 0} onChange={(event) => change({ capMessages: event.currentTarget.checked ? 3 : 0 })} /> Bounded</label>
        {draft.capMessages > 0 && (
          <>
            <input class="input is-count" type="number" min={1} max={100} aria-label="Messages" value={draft.capMessages} onInput={(event) => change({ capMessages: Math.max(1, Math.trunc(Number(event.currentTarget.value)) || 1) })} />
            messages in <input class="input is-count" type="number" min={1} max={90} aria-label="Days" value={draft.capDays} onInput={(event) => change({ capDays: Math.max(1, Math.trunc(Number(event.currentTarget.value)) || 1) })} /> days
          </>
        )}
      </Fields>
      <Fields name="Expires" definition={EXPIRES} field="content.expires_us" faults={faults}>
        <input class="input" type="datetime-local" aria-label={`Expires, time in ${zone}`} value={draft.expires} onInput={(event) => change({ expires: event.currentTarget.value })} />
      </Fields>
    </>
  );
}
