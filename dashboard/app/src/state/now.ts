// The clock, as far as views depend on it: the minute, and with it the site's day.

import { useEffect, useState } from "preact/hooks";

/** The time, renewed as each minute (or other stretch) begins, milliseconds. */
export function useNow(everyMs = 60_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const wait = () => {
      timer = setTimeout(() => {
        setNow(Date.now());
        wait();
      }, everyMs - (Date.now() % everyMs) + 5);
    };
    wait();
    return () => clearTimeout(timer);
  }, [everyMs]);
  return now;
}
