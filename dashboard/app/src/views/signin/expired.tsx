// A site whose read key was ended: says so, and what can be done.

import { useState } from "preact/hooks";
import { sentence } from "../../calls/failure.js";
import { keep, makeReadKey, session, type Site } from "../../calls/session.js";

export function Expired({ site, canMake }: { site: Site; canMake: boolean }) {
  const [problem, setProblem] = useState("");
  const forget = () => keep({ sites: session.get().sites.filter((other) => other.name !== site.name) });
  return (
    <div class="alone" role="alert">
      <h1>This key no longer opens anything</h1>
      <p>The read key of <bdi><b>{site.name}</b></bdi> that this browser has was ended. The numbers themselves are untouched.</p>
      {problem && <p class="problem">{problem}</p>}
      {canMake ? (
        <button type="button" class="button is-main" onClick={() => void makeReadKey(site).catch((error: unknown) => setProblem(sentence(error)))}>Make a new read key</button>
      ) : (
        <>
          <p>Ask whoever runs this server for a new key, or for a link of <code>pistats sign-in</code>.</p>
          <button type="button" class="button is-main" onClick={forget}>Use another key</button>
        </>
      )}
    </div>
  );
}
