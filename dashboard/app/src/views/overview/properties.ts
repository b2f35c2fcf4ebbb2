// Keys of the properties that events of the range carry. The contract has no list of them, so the first 300 events are looked
// through; any other key can be named in a filter.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { daysRange } from "../../state/questions.js";
import type { Context } from "../context.js";

const LOOKED = 300n;
const SHOWN = 12;

export function useProperties(context: Context | undefined): string[] {
  const [keys, setKeys] = useState<string[]>([]);
  const name = context?.key ? `${context.key} ${context.days.first} ${context.days.last}` : "";
  useEffect(() => {
    if (!name || !context) return;
    const ended = new AbortController();
    void (async () => {
      const found = new Set<string>();
      const some = calls(context.key).query.export({ range: daysRange(context.days), limit: LOOKED }, { signal: ended.signal });
      for await (const { events } of some) for (const event of events) for (const key of Object.keys(event.properties)) found.add(key);
      setKeys([...found].sort().slice(0, SHOWN));
    })().catch(() => undefined);
    return () => ended.abort();
  }, [name]);
  return keys;
}
