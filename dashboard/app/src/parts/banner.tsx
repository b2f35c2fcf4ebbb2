// Says that the connection is lost, and when it is back. Short cuts say nothing: the stream goes on where it was.

import { useEffect, useState } from "preact/hooks";
import { theTab } from "../live/use.js";
import { useStore } from "../state/store.js";

const PATIENCE_MS = 1_000;

export function ConnectionBanner() {
  const link = useStore(theTab().link);
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (link !== "lost") return setShown(false);
    const timer = setTimeout(() => setShown(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [link]);
  return (
    <div role="status" class="banner-place">
      {isShown && (
        <p class="banner">
          The connection to the server is lost. What you see is what was known last; it goes on by itself.
          <button type="button" class="button" onClick={() => theTab().wake()}>Try now</button>
        </p>
      )}
    </div>
  );
}
