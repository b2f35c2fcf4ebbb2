// The keys of a site: who may collect, read, manage. A secret is shown once.

import { useEffect, useState } from "preact/hooks";
import { calls } from "../../calls/clients.js";
import { sentence } from "../../calls/failure.js";
import type { Site } from "../../calls/session.js";
import { Scope, type Key } from "../../gen/pistats/admin/v1/admin_pb.js";
import { Copy } from "../../parts/copy.js";
import { Waiting } from "../../parts/state.js";
import { dayText, instantText } from "../../show/times.js";
import { localDay } from "../../state/zone.js";

const SCOPES: [scope: Scope, name: string, says: string][] = [
  [Scope.READ, "read", "Shows the site's numbers."],
  [Scope.WRITE, "write", "Collects from pages. Public: it stands in the snippet."],
  [Scope.SERVER, "server", "Collects from your server, and is believed about address, browser and country. Secret."],
  [Scope.MANAGE, "manage", "Keys and refused events of this site. Secret."],
];

export function Keys({ site, instance }: { site: Site; instance: string }) {
  const [keys, setKeys] = useState<Key[]>();
  const [scope, setScope] = useState<Scope>(Scope.READ);
  const [name, setName] = useState("");
  const [made, setMade] = useState<{ name: string; secret: string }>();
  const [asked, setAsked] = useState("");
  const [problem, setProblem] = useState("");
  const { admin } = calls(instance);
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      setProblem("");
      await work();
      setKeys((await admin.listKeys({ siteId: site.id })).keys);
    } catch (error) {
      setProblem(sentence(error));
    }
  };
  useEffect(() => void attempt(async () => undefined), [site.id]);
  const make = (event: Event) => {
    event.preventDefault();
    void attempt(async () => {
      const { key } = await admin.createKey({ siteId: site.id, scope, name: name.trim() });
      if (key) setMade({ name: name.trim(), secret: key.secret });
      setName("");
    });
  };
  const revoke = (id: string) => {
    // Ended keys do not come back, so it is asked once more.
    if (asked !== id) return setAsked(id);
    setAsked("");
    void attempt(() => admin.revokeKey({ keyId: id }));
  };
  return (
    <section class="card" aria-label="Keys">
      <h2>Keys</h2>
      <form class="key-new" onSubmit={make}>
        <label class="select"><span class="sr-only">What it may do</span>
          <select value={scope} onChange={(event) => setScope(Number(event.currentTarget.value))}>{SCOPES.map(([value, text]) => <option key={value} value={value}>{text}</option>)}</select>
        </label>
        <input class="input" aria-label="What the key is for" placeholder="What it is for" required maxLength={200} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <button type="submit" class="button"><span>Make a key</span></button>
        <span class="hint">{SCOPES.find(([value]) => value === scope)?.[2]}</span>
      </form>
      {made && <div class="made" role="status"><p>The key “<bdi>{made.name}</bdi>”. It is shown this once:</p><Copy text={made.secret} name="the new key" isSecret /></div>}
      {problem && <p class="problem" role="alert">{problem}</p>}
      {!keys ? <Waiting rows={3} /> : (
        <div class="wide" tabIndex={0} role="region" aria-label="Keys of the site">
          <table class="table">
            <thead><tr><th scope="col">Name</th><th scope="col">May</th><th scope="col">Made</th><th scope="col">State</th><th scope="col"><span class="sr-only">Actions</span></th></tr></thead>
            <tbody>
              {keys.map((key) => (
                <tr key={key.id}>
                  <th scope="row"><bdi class="value">{key.name || "–"}</bdi></th>
                  <td>{SCOPES.find(([value]) => value === key.scope)?.[1] ?? "–"}</td>
                  <td class="is-when" title={instantText(Number(key.createdUs / 1000n), site.zone)}>{dayText(localDay(site.zone, Number(key.createdUs / 1000n)))}</td>
                  <td>{key.revoked ? "ended" : "open"}</td>
                  <td class="is-number">{!key.revoked && <button type="button" class="button is-danger" onBlur={() => setAsked("")} onClick={() => revoke(key.id)}>{asked === key.id ? "End it for good?" : "End"}</button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
