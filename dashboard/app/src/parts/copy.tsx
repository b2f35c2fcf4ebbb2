// A text to take along, with a button that copies it.

import { useState } from "preact/hooks";
import { Icon } from "./icons.js";

export function Copy({ text, name, isSecret = false }: { text: string; name: string; isSecret?: boolean }) {
  const [said, say] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied");
    } catch {
      // Not on a page without TLS: the text can be selected.
      say("Select it and copy it yourself");
    }
    setTimeout(() => say(""), 2000);
  };
  return (
    <div class={`copy${isSecret ? " is-secret" : ""}`}>
      <pre tabIndex={0} aria-label={name}><code>{text}</code></pre>
      <button type="button" class="button" aria-label={`Copy ${name}`} onClick={() => void copy()}><Icon name={said === "Copied" ? "check" : "copy"} /> {said || "Copy"}</button>
    </div>
  );
}
