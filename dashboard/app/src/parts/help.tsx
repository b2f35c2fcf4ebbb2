// The keyboard map.

import { useEffect, useRef } from "preact/hooks";
import { SHORTCUTS } from "../state/keys.js";
import { Icon } from "./icons.js";

const SIGNS: Record<string, string> = { ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };

export function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="help-title" onClose={onClose} onClick={(event) => event.target === dialog.current && onClose()}>
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id="help-title">Keyboard map</h2>
          <button type="button" class="button is-icon" aria-label="Close" onClick={onClose}><Icon name="close" /></button>
        </header>
        <dl class="shortcuts">
          {SHORTCUTS.map(({ key, says }) => <div key={key}><dt><kbd>{SIGNS[key] ?? key.toUpperCase()}</kbd></dt><dd>{says}</dd></div>)}
        </dl>
      </div>
    </dialog>
  );
}
