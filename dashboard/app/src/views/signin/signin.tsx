// The page of somebody without a key, or with one that no longer opens anything.

import { useState } from "preact/hooks";
import { sentence } from "../../calls/failure.js";
import { useKey } from "../../calls/session.js";

export function SignIn({ problem }: { problem?: string | undefined }) {
  const [key, setKey] = useState("");
  const [failure, setFailure] = useState("");
  const [isBusy, setBusy] = useState(false);
  const open = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure("");
    try {
      await useKey(key.trim());
    } catch (error) {
      setFailure(sentence(error));
    }
    setBusy(false);
  };
  const said = failure || problem;
  return (
    <main class="alone" id="main">
      <h1>{problem ? "You are signed out" : "Sign in"}</h1>
      {said && <p class="problem" role="alert">{said}</p>}
      <p>Open the link that <code>pistats serve</code> printed when it started. <code>pistats sign-in</code> prints a new one.</p>
      <form class="key-form" onSubmit={(event) => void open(event)}>
        <label for="key">Or paste a key: a read key shows one site, the instance key all of them.</label>
        <input id="key" class="input" type="password" autocomplete="off" spellcheck={false} required value={key} onInput={(event) => setKey(event.currentTarget.value)} />
        <button type="submit" class="button is-main" disabled={isBusy || !key.trim()}>Open</button>
      </form>
      <p class="hint">Keys stay in this browser. There is no default password, and nothing is sent anywhere but to this server.</p>
    </main>
  );
}
