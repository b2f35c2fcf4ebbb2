// The check that runs in the visitor's browser, inside the page that should carry the snippet: it names what keeps events from
// arriving.
//
// It is taken as text (`checkText`) and pasted into that page's console, or kept as a bookmark: a page's policy holds back
// scripts of the page, but neither of these. So `check` may use nothing from outside of itself.

export type Fault = "none" | "cached" | "missing" | "wrong_server" | "wrong_key" | "csp_script" | "csp_connect" | "blocked" | "unknown_key" | "wrong_origin" | "server" | "no_worker";

export interface Verdict {
  fault: Fault;
  /** What is wrong and what mends it. */
  says: string;
  page: string;
}

export interface CheckOptions {
  /** Where this piStats is, as in the snippet. */
  host: string;
  key: string;
}

export async function check({ host, key }: CheckOptions): Promise<Verdict> {
  const page = location.href;
  const verdict = (fault: Fault, says: string): Verdict => ({ fault, says, page });
  const source = `${host}/js/p.js`;
  const within = <T>(ms: number, work: Promise<T>, otherwise: T) => Promise.race([work, new Promise<T>((done) => setTimeout(() => done(otherwise), ms))]);

  // Does the page have the snippet?
  const scripts = [...document.scripts];
  const tag = scripts.find((script) => script.src.split("?")[0] === source);
  if (!tag) {
    const fresh = await within(5000, fetch(page.split("#")[0] ?? page, { cache: "reload" }).then((answer) => answer.text()).catch(() => ""), "");
    if (fresh.includes(source)) return verdict("cached", "This is an old copy of the page, from a cache: the page as the server has it carries the snippet. Empty the cache of your site (or of its CDN), then load the page anew.");
    const other = scripts.find((script) => /\/js\/p\.js$/.test(script.src.split("?")[0] ?? "") && script.dataset["key"]);
    if (other) return verdict("wrong_server", `The snippet of this page belongs to ${new URL(other.src).origin}, not to ${host}. Put in the snippet that the set-up page shows.`);
    return verdict("missing", "This page does not carry the snippet. Put it into the head of the page, and publish the page.");
  }
  if (tag.dataset["key"] !== key) return verdict("wrong_key", `The snippet of this page has another key (${(tag.dataset["key"] ?? "none").slice(0, 16)}…) than this site (${key.slice(0, 16)}…). Put in the snippet that the set-up page shows.`);

  // Did the script run? If not: was it the page's policy?
  const watched = async (work: () => Promise<boolean>): Promise<{ isDone: boolean; violation?: SecurityPolicyViolationEvent }> => {
    let violation: SecurityPolicyViolationEvent | undefined;
    const hear = (event: SecurityPolicyViolationEvent) => {
      if (event.blockedURI.startsWith(host) && event.disposition === "enforce") violation = event;
    };
    document.addEventListener("securitypolicyviolation", hear);
    const isDone = await work();
    await new Promise((done) => setTimeout(done, 50));
    document.removeEventListener("securitypolicyviolation", hear);
    return violation ? { isDone, violation } : { isDone };
  };
  if (typeof (window as { pistats?: unknown }).pistats !== "function") {
    const again = await watched(() => within(5000, new Promise<boolean>((done) => {
      const script = document.createElement("script");
      script.onload = () => done(true);
      script.onerror = () => done(false);
      script.src = `${source}?check`;
      document.head.append(script);
    }), false));
    if (again.violation) return verdict("csp_script", `The page's Content-Security-Policy blocks the script (${again.violation.effectiveDirective}). Add ${host} to script-src.`);
    if (!again.isDone) return verdict("blocked", `The script ${source} cannot be loaded from this page. Look whether an extension of the browser blocks it, and whether the address can be opened from here.`);
  }

  // May it send? A batch without events changes nothing, and is judged like any other.
  let status = "";
  let message = "";
  const sent = await watched(async () => {
    try {
      const answer = await fetch(`${host}/pistats.ingest.v1.IngestService/Collect`, {
        method: "POST", credentials: "omit", body: new Uint8Array(5), headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1", authorization: `Bearer ${key}` },
      });
      const trailer = new TextDecoder("latin1").decode(await answer.arrayBuffer());
      status = answer.headers.get("grpc-status") ?? /grpc-status: ?(\d+)/.exec(trailer)?.[1] ?? "";
      message = decodeURIComponent(answer.headers.get("grpc-message") ?? /grpc-message: ?([^\r\n]*)/.exec(trailer)?.[1] ?? "");
      return true;
    } catch {
      return false;
    }
  });
  if (sent.violation) return verdict("csp_connect", `The page's Content-Security-Policy blocks sending (${sent.violation.effectiveDirective}). Add ${host} to connect-src.`);
  if (!sent.isDone) return verdict("blocked", `Nothing can be sent to ${host} from this page. Look whether an extension of the browser blocks it, and whether a page with https sends to http.`);
  if (status === "0") {
    // A page that asks for push needs the worker on its own origin.
    const extra = scripts.find((script) => script.src.split("?")[0] === `${host}/js/p.extra.js`);
    const push = extra?.dataset["push"];
    if (push === undefined) return verdict("none", "Everything is in order: this page can collect.");
    const worker = new URL(push || "/pistats-sw.js", page).href;
    const found = await within(5000, fetch(worker, { cache: "reload" }).then(async (answer) => (answer.ok ? ((answer.headers.get("content-type") ?? "").includes("javascript") ? await answer.text() : "no script") : `${answer.status}`)).catch(() => ""), "");
    // Its own text, or that of a worker which takes it in.
    if (/push_click|pistats-sw\.js/.test(found)) return verdict("none", "Everything is in order: this page can collect, and can ask for push messages.");
    const why = found === "no script" ? "what is there is no script" : /^\d{3}$/.test(found) ? `the answer is ${found}` : found ? "what is there is another worker" : "there is no answer";
    return verdict("no_worker", `This page can collect, but push messages need the service worker at ${worker}, and ${why}. Copy ${host}/js/pistats-sw.js there.`);
  }
  if (status === "16") return verdict("unknown_key", "The server does not know this key (any more). Make a new write key in the set-up page, and put in its snippet.");
  if (status === "7") return verdict("wrong_origin", `Pages of ${location.origin} may not collect for this site. Add ${location.hostname} to its origins in the set-up page. (${message})`);
  return verdict("server", `The server answers ${status || "nothing"}: ${message}`);
}

/** The check with its options, as a line for the console: it tells the page that opened this one, and the console. */
export function checkText(options: CheckOptions): string {
  const tell = `(verdict)=>{console.info("piStats: "+verdict.says);if(window.opener)window.opener.postMessage({pistats:verdict},${JSON.stringify(options.host)});return verdict}`;
  return `(${check.toString()})(${JSON.stringify(options)}).then(${tell})`;
}
